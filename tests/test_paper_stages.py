"""Lossy stages under preset `paper`: their integers and kept values are text."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lmgc_torch import _C, PayloadError, Staged, stages
from lmgc_torch.stages import make_chain, stage_values
from random_model import random_language_model
from tensors import to_bits
from test_paper import paper as paper_of
from test_stages import CHAINS, finite, sealed

SHAPES = [(12, 9), (5,), (0,), (2, 3, 4)]
COUNT = sum(math.prod(shape) for shape in SHAPES)
SPARSE, LEVELS_TEXT = 4, 5
MODEL = random_language_model(seed=1, sharpness=0.2)  # no symbol is far from as likely as others


def paper(serialization: str = "hex-space", model: _C.LanguageModel = MODEL) -> _C.Codec:
    return paper_of(serialization, model=model)


def gradient(seed: int = 1) -> torch.Tensor:
    """With a row of zeros, whose step is zero."""
    values = torch.randn(COUNT, generator=torch.Generator().manual_seed(seed))
    values[18:27] = 0
    return values


def staged(chain: Sequence[stages.Stage], tensor: torch.Tensor) -> Staged:
    return stage_values(make_chain(chain), tensor, SHAPES, 0, 0, 0)


@pytest.mark.parametrize("chain", CHAINS, ids=str)
@pytest.mark.parametrize("serialization", ["hex-space", "iso8859"])
def test_payloads_hold_what_stages_made(chain: Sequence[stages.Stage], serialization: str) -> None:
    made = staged(chain, gradient())
    codec = paper(serialization)
    payload = codec.encode_staged(made)
    if made.integers is not None:
        assert payload[32] == (LEVELS_TEXT if made.kept is None else SPARSE)
    elif made.kept is not None and len(made.kept) < COUNT // 2:  # mantissas are noise
        assert payload[32] == SPARSE
    assert torch.equal(to_bits(codec.decode(payload)), to_bits(made.values))
    decoded = torch.empty_like(made.values)
    codec.decode_into(payload, decoded)
    assert torch.equal(to_bits(decoded), to_bits(made.values))


@settings(max_examples=50)
@given(tensor=finite(), chain=st.sampled_from(CHAINS))
def test_any_finite_values_make_the_way(tensor: torch.Tensor, chain: list[stages.Stage]) -> None:
    try:
        made = stage_values(make_chain(chain), tensor, [tensor.shape], 0, 0, 0)
    except ValueError as error:
        assert "beyond the range" in str(error)
        return
    payload = paper().encode_staged(made)
    assert payload.numel() <= made.values.nbytes + 64
    assert torch.equal(to_bits(paper().decode(payload)), to_bits(made.values))


@pytest.mark.parametrize("bits", [1, 2, 4, 5, 8])
def test_integers_are_digits_or_bytes_of_the_same_text_as_any_bytes(bits: int) -> None:
    made = staged([stages.Quantize(bits, scale="row")], gradient())
    assert made.integers is not None
    integers = torch.cat([made.integers[:18], made.integers[27:]]).int()  # but those of step zero
    numbers = torch.where(integers < 0, -2 * integers - 1, 2 * integers)
    if bits <= 4:
        numbers = torch.cat([numbers, numbers.new_zeros(len(numbers) % 2)])
        numbers = numbers[::2] * 16 + numbers[1::2]
    expected = numbers.to(torch.uint8)
    payload = paper().encode_staged(made)
    body = paper().encode(expected, raw_fallback=False)[37:]
    assert payload[32] == LEVELS_TEXT
    assert torch.equal(payload[-len(body) :], body)


def test_where_all_is_zero_there_is_no_text() -> None:
    for chain in ([stages.Quantize(4)], [stages.Sign("row")], [stages.Threshold(1.0)]):
        made = staged(chain, torch.zeros(COUNT))
        payload = paper().encode_staged(made)
        assert len(payload) < 35 + 32
        assert torch.equal(paper().decode(payload), torch.zeros(COUNT))


def test_presets_refuse_each_others_payloads() -> None:
    ours, structure = paper(), _C.Codec.structure()
    other = paper(model=random_language_model(seed=2))
    for chain, written, theirs in (
        ([stages.Quantize(4)], "levels as text", "levels"),
        ([stages.TopK(share=0.1)], "paper", "structure"),
        ([stages.TopK(share=0.1), stages.Quantize(4)], "paper", "structure"),
    ):
        made = staged(chain, gradient())
        payload = ours.encode_staged(made)
        for codec, sent, message, kind in (
            (structure, payload, f"written by preset {written}, this codec is str", "preset"),
            (ours, structure.encode_staged(made), f"by preset {theirs}, this codec is p", "preset"),
            (other, payload, "load the same model", "model"),
        ):
            with pytest.raises(PayloadError, match=message) as caught:
                codec.decode(sent)
            assert caught.value.kind == kind


@given(data=st.data(), chain=st.sampled_from(CHAINS))
def test_damaged_payloads_raise_or_hold_other_values(
    data: st.DataObject, chain: list[stages.Stage]
) -> None:
    payload = paper().encode_staged(staged(chain, gradient())).clone()
    for _ in range(3):
        payload[data.draw(st.integers(35, len(payload) - 1))] ^= data.draw(st.integers(1, 255))
    payload = payload[: data.draw(st.integers(36, len(payload)))]
    with pytest.raises(PayloadError):
        paper().decode(sealed(payload))


def test_integers_beyond_the_largest_are_refused() -> None:
    made = staged([stages.Quantize(8)], gradient())
    payload = paper().encode_staged(made).clone()
    payload[37] = 100  # the body's first byte; one of the integers is 127
    with pytest.raises(PayloadError, match="an integer of .* the largest is 100") as caught:
        paper().decode(sealed(payload))
    assert caught.value.kind == "corrupt"
