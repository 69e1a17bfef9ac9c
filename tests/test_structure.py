"""Prediction from history: round trips, agreement of sides, and what structure is worth."""

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import lmgc_torch
from lmgc_torch import _C, PayloadError
from tensors import edge_words, to_bits

FLOATS = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
HISTORY_PRESETS = ("fast", "balanced", "max")
SHAPES = ((96, 80), (300,), (7,), (64, 2, 40), (1, 1), (70, 64, 1))


def values_of(shapes: Sequence[Sequence[int]]) -> int:
    return sum(int(np.prod(shape)) for shape in shapes)


@cache
def low_rank(seed: int, shapes: tuple[tuple[int, ...], ...] = SHAPES) -> torch.Tensor:
    """A gradient of parameters one after another: noise in a subspace that stays, and a little."""
    stays = torch.Generator().manual_seed(7)
    changes = torch.Generator().manual_seed(seed)
    parts = []
    for shape in shapes:
        rows, columns = shape[0], int(np.prod(shape[1:]))
        left = torch.randn(rows, 6, generator=stays) * torch.randn(rows, 1, generator=stays).exp()
        right = torch.randn(6, columns, generator=stays)
        core = torch.randn(6, 6, generator=changes)
        noise = torch.randn(rows, columns, generator=changes)
        parts.append((left @ core @ right + 0.05 * noise).flatten() * 1e-4)
    return torch.cat(parts)


def codec_after(preset: str, averages: Sequence[torch.Tensor]) -> lmgc_torch.Codec:
    codec = lmgc_torch.Codec(preset, shapes=SHAPES)
    for average in averages:
        codec.observe(average)
    return codec


def rate(codec: lmgc_torch.Codec, tensor: torch.Tensor) -> float:
    payload = codec.encode(tensor)
    assert torch.equal(to_bits(codec.decode(payload)), to_bits(tensor))
    return payload.numel() / tensor.nbytes


def sprinkled(draw: st.DrawFn, tensor: torch.Tensor) -> torch.Tensor:
    """The tensor with any words in a few places."""
    bits = 8 * tensor.dtype.itemsize
    words = to_bits(tensor).clone().flatten().numpy().view(f"uint{bits}")
    for _ in range(draw(st.integers(0, 12))):
        at = draw(st.integers(0, len(words) - 1))
        run = draw(st.sampled_from((1, 1, 1, 64, 500)))
        words[at : at + run] = draw(edge_words(bits))
    return torch.from_numpy(words.view(f"int{bits}")).view(tensor.dtype)


@st.composite
def gradients(draw: st.DrawFn, dtype: torch.dtype) -> torch.Tensor:
    tensor = low_rank(draw(st.integers(0, 5))).to(dtype)
    exponent = draw(st.sampled_from((0, 0, 0, -140, -30, 110)))
    return sprinkled(draw, tensor * 2.0 ** min(exponent, 1000))


@pytest.mark.parametrize("preset", HISTORY_PRESETS)
@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_side_that_observed_the_same_decodes(preset: str, data: st.DataObject) -> None:
    dtype = data.draw(st.sampled_from(FLOATS))
    averages = [data.draw(gradients(dtype)) for _ in range(data.draw(st.integers(0, 3)))]
    sender, receiver = codec_after(preset, averages), codec_after(preset, averages)
    gradient = data.draw(gradients(dtype))
    payload = sender.encode(gradient)
    assert torch.equal(payload, receiver.encode(gradient))
    assert torch.equal(to_bits(receiver.decode(payload)), to_bits(gradient))
    assert payload.numel() <= gradient.nbytes + 64


@pytest.mark.parametrize("preset", HISTORY_PRESETS)
def test_what_is_learned_from_all_but_singular_steps_decodes(preset: str) -> None:
    values = SHAPES[0][0] * SHAPES[0][1]
    for seed in range(6):
        average, gradient = (
            low_rank(seed)[:values].clone(),
            low_rank(seed // 2 + 1)[:values].clone(),
        )
        average[87:151] = 27.75  # one row, a million times as large
        gradient[8:508] = 0
        codec = lmgc_torch.Codec(preset, shapes=SHAPES[:1])
        codec.observe(average)
        rate(codec, gradient)


def test_history_that_differs_is_told_with_both_fingerprints() -> None:
    averages = [low_rank(seed) for seed in range(3)]
    payload = codec_after("fast", averages).encode(low_rank(9))
    others = [averages[:2], averages[::-1], [averages[0], averages[1], averages[2] * 2], []]
    for other in others:
        with pytest.raises(PayloadError, match=r"history [0-9a-f]{16}, this codec has") as caught:
            codec_after("fast", other).decode(payload)
        assert caught.value.kind == "history"


def test_payloads_without_history_need_none() -> None:
    gradient = low_rank(1)
    payload = lmgc_torch.Codec("max").encode(gradient)
    assert torch.equal(codec_after("fast", [gradient]).decode(payload), gradient)


@pytest.mark.parametrize("preset", HISTORY_PRESETS)
def test_a_side_that_joins_late_takes_the_state_over(preset: str) -> None:
    averages = [low_rank(seed) for seed in range(4)]
    first = codec_after(preset, averages[:2])
    late = lmgc_torch.Codec(preset, shapes=SHAPES)
    late.load_state_dict(first.state_dict())
    for average in averages[2:]:
        first.observe(average)
        late.observe(average)
    gradient = low_rank(9)
    assert torch.equal(first.encode(gradient), late.encode(gradient))
    first.reset()
    untouched = lmgc_torch.Codec(preset, shapes=SHAPES)
    assert torch.equal(first.encode(gradient), untouched.encode(gradient))


def test_states_of_others_are_refused_and_change_nothing() -> None:
    codec = codec_after("fast", [low_rank(0)])
    expected = codec.encode(low_rank(9))
    with pytest.raises(ValueError, match="history of preset 'max', this codec is fast"):
        codec.load_state_dict(codec_after("max", []).state_dict())
    with pytest.raises(ValueError, match="states of 1 parameters do not fit"):
        codec.load_state_dict(lmgc_torch.Codec("fast", shapes=[(96, 80)]).state_dict())
    damaged = codec_after("fast", [low_rank(1)]).state_dict()
    damaged["histories"][3] = damaged["histories"][3][:-1]
    with pytest.raises(ValueError):
        codec.load_state_dict(damaged)
    assert torch.equal(codec.encode(low_rank(9)), expected)


def test_observe_says_what_it_needs() -> None:
    with pytest.raises(ValueError, match="observe needs the parameters' shapes"):
        lmgc_torch.Codec("fast").observe(low_rank(0))
    codec = lmgc_torch.Codec("fast", shapes=SHAPES)
    with pytest.raises(ValueError, match="parameters of"):
        codec.observe(torch.zeros(3))
    with pytest.raises(TypeError, match="dense float tensor"):
        codec.observe(torch.zeros(values_of(SHAPES), dtype=torch.int32))


def test_every_implementation_gives_the_same_payload() -> None:
    histories = [("max", [low_rank(0), low_rank(1)]), ("balanced", [])]
    gradient = low_rank(9)
    payloads: list[list[torch.Tensor]] = []

    def encode() -> None:
        payloads.append([codec_after(*history).encode(gradient) for history in histories])

    threads = torch.get_num_threads()
    switches: list[tuple[Callable[[str], None], list[str]]] = [
        (_C.set_predict_gemm_path, _C.predict_gemm_paths()),
        (_C.set_rans_path, _C.rans_paths()),
        (_C.set_row_path, _C.row_paths()),
        (_C.set_wide_path, _C.wide_paths()),
    ]
    for switch, paths in switches:
        for path in reversed(paths):  # ends with the fastest
            switch(path)
            encode()
    for count in (1, 3):
        torch.set_num_threads(count)
        encode()
    torch.set_num_threads(threads)
    assert len(payloads) >= 4
    for other in payloads[1:]:
        assert all(torch.equal(*both) for both in zip(payloads[0], other, strict=True))


@pytest.mark.parametrize("preset", HISTORY_PRESETS)
@pytest.mark.parametrize(("dtype", "least"), [(torch.float32, 0.06), (torch.bfloat16, 0.11)])
def test_history_makes_gradients_smaller(preset: str, dtype: torch.dtype, least: float) -> None:
    gradient = low_rank(99).to(dtype)
    alone = rate(lmgc_torch.Codec("fast", shapes=SHAPES), gradient)
    averages = [low_rank(seed).to(dtype) for seed in range(10)]
    assert rate(codec_after(preset, averages), gradient) < alone - least


def test_own_rows_make_single_gradients_smaller() -> None:
    gradient = low_rank(3, ((128, 96),))
    plain = rate(lmgc_torch.Codec("fast", shapes=[(128, 96)]), gradient)
    codec = lmgc_torch.Codec("max", shapes=[(128, 96)])
    assert rate(codec, gradient) < plain - 0.08
    reader = lmgc_torch.Codec("fast", shapes=[(128, 96)])  # payloads say what they need
    assert torch.equal(reader.decode(codec.encode(gradient)), gradient)


@pytest.mark.parametrize(("dtype", "least"), [(torch.float32, 0.06), (torch.bfloat16, 0.12)])
def test_rows_above_make_single_gradients_smaller(dtype: torch.dtype, least: float) -> None:
    gradient = low_rank(3, ((512, 256),)).to(dtype)
    plain = rate(lmgc_torch.Codec("fast", shapes=[(512, 256)]), gradient)
    assert rate(lmgc_torch.Codec("balanced", shapes=[(512, 256)]), gradient) < plain - least


@pytest.mark.parametrize(("columns", "samples", "noise"), [(256, 12, 0.0), (96, 4, 0.3)])
def test_rows_above_are_taken_where_they_know_more_than_history(
    columns: int, samples: int, noise: float
) -> None:
    shape = (512, columns)

    def of_few_samples(seed: int) -> torch.Tensor:  # others in each step
        generator = torch.Generator().manual_seed(seed)
        outputs = torch.randn(shape[0], samples, generator=generator)
        gradient = outputs @ torch.randn(samples, columns, generator=generator)
        return (gradient + noise * torch.randn(shape, generator=generator)).flatten()

    codec = lmgc_torch.Codec("balanced", shapes=[shape])
    alone = rate(codec, of_few_samples(9))
    for seed in range(4):
        codec.observe(of_few_samples(seed))
    assert rate(codec, of_few_samples(9)) < alone + 0.005


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("preset", HISTORY_PRESETS)
def test_rows_that_rows_above_know_best_below_rows_that_cost_nothing(
    dtype: torch.dtype, preset: str
) -> None:
    """In a section of a tile, too, rows are where they were; with history and without."""

    def step(seed: int, walk: bool) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        if walk:
            rows = torch.randn(512, 128, generator=generator).cumsum(0)
        else:  # others every 128 rows
            few = torch.randn(4, 128, 6, generator=generator)
            rows = (few @ torch.randn(4, 6, 128, generator=generator)).flatten(0, 1)
        rows[:128] = torch.randn(1, 128, generator=generator).round()
        return (rows * 1e-3).flatten().to(dtype)

    for walk in (True, False):
        codec = lmgc_torch.Codec(preset, shapes=[(512, 128)])
        for seed in range(3):
            gradient = step(seed, walk)
            assert rate(codec, gradient) < 0.9
            codec.observe(gradient)


@pytest.mark.parametrize("dtype", FLOATS)
@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_rows_from_rows_above_decode(dtype: torch.dtype, data: st.DataObject) -> None:
    shape = (data.draw(st.integers(31, 70)), data.draw(st.integers(64, 140)))
    gradient = sprinkled(data.draw, low_rank(4, (shape,)).to(dtype))
    rows = torch.tensor(data.draw(st.lists(st.integers(-200, 200), min_size=1, max_size=5)))
    factors = 2.0 ** rows.repeat(shape[0])[: shape[0], None].double()
    gradient = (gradient.reshape(shape).double() * factors).to(dtype).flatten()
    rate(lmgc_torch.Codec("balanced", shapes=[shape]), gradient)


def test_a_gaussian_takes_little_more_than_its_entropy() -> None:
    values = torch.randn(1024, 512, generator=torch.Generator().manual_seed(0)) * 1e-3
    # Differential entropy of the density, and the bits that floats' unequal spacing saves.
    exponent = torch.frexp(values).exponent.double().mean().item() - 1
    entropy = np.log2(1e-3 * np.sqrt(2 * np.pi * np.e)) - (exponent - 23)
    for preset in HISTORY_PRESETS:  # where there is nothing to learn, trying costs nothing
        bits = lmgc_torch.Codec(preset).encode(values).numel() * 8 / values.numel()
        assert entropy < bits < entropy + 0.05


def test_what_is_zero_throughout_costs_nothing() -> None:
    codec = lmgc_torch.Codec("fast")
    tensor = torch.zeros(3000, 100)
    assert codec.encode(tensor).numel() < 80
    tensor[::10] = torch.randn(300, 100)
    dense = rate(codec, tensor[::10].contiguous())
    tensor[:, ::3] = 0
    assert rate(codec, tensor) < 0.1 * dense * 2 / 3 + 0.004


def test_rare_zeros_in_long_tiles_are_found() -> None:
    tensor = torch.randn(2000, 256, generator=torch.Generator().manual_seed(0))
    tensor.view(-1)[5000] = 0.0
    tensor.view(-1)[5001] = -0.0
    assert rate(lmgc_torch.Codec("fast"), tensor) < 0.84


def test_mantissa_bits_that_are_zero_cost_nothing() -> None:
    codec = lmgc_torch.Codec("fast")
    narrow = torch.randn(256, 256, generator=torch.Generator().manual_seed(0)).bfloat16()
    bits = rate(codec, narrow) * 16
    assert rate(codec, narrow.float()) * 32 < bits + 0.05
    assert rate(codec, narrow.double()) * 64 < bits + 0.05


def test_history_learns_alike_when_a_side_flushes_denormals() -> None:
    averages = [low_rank(seed) * 1e-36 for seed in range(3)]
    payload = codec_after("fast", averages).encode(averages[0], raw_fallback=False)
    torch.set_flush_denormal(True)
    try:
        flushing = codec_after("fast", averages)
        assert torch.equal(flushing.encode(averages[0], raw_fallback=False), payload)
        assert torch.equal(to_bits(flushing.decode(payload)), to_bits(averages[0]))
    finally:
        torch.set_flush_denormal(False)


def test_averages_that_are_not_finite_do_no_lasting_harm() -> None:
    averages = [low_rank(seed) for seed in range(6)]
    broken = averages[2].clone()
    broken[::17] = float("nan")
    broken[5::19] = float("inf")
    calm = rate(codec_after("fast", averages), low_rank(9))
    averages[2] = broken
    assert rate(codec_after("fast", averages), low_rank(9)) < calm + 0.05
