"""Preset `paper` with a mixture of experts, beside a language model or alone."""

import functools
import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import lmgc_torch
from golden import CASES, FOLDER, golden_codec, golden_tensor
from lmgc_torch import _C, SERIALIZATIONS, PayloadError
from random_model import random_language_model
from tensors import tensors, to_bits
from test_paper import paper, sampled_text

EXPERTS = _C.Codec.experts(0)
mixture = functools.partial(paper, mixture=True)


def assert_round_trip(
    codec: _C.Codec, tensor: torch.Tensor, parameters: list[_C.Parameter] | None = None
) -> int:
    """Bytes of the mixture's own code."""
    payload = codec.encode(tensor, parameters or [], raw_fallback=False)
    assert payload[32] == (6 if tensor.numel() else 0)
    decoded = codec.decode(payload)
    assert decoded.dtype == tensor.dtype and decoded.shape == tensor.shape
    assert torch.equal(to_bits(decoded), to_bits(tensor))
    return payload.numel()


@settings(max_examples=40)
@given(
    tensor=tensors(),
    serialization=st.sampled_from(SERIALIZATIONS),
    bytes_per_group=st.integers(1, 8),
    byte_order=st.sampled_from(["big", "little"]),
    window=st.integers(40, 64),
)
def test_decode_inverts_encode(
    tensor: torch.Tensor, serialization: str, bytes_per_group: int, byte_order: str, window: int
) -> None:
    """The encoder gives the model whole windows, the decoder a symbol of each at a time."""
    assert_round_trip(mixture(serialization, bytes_per_group, byte_order, window), tensor)
    assert_round_trip(_C.Codec.experts(("big", "little").index(byte_order)), tensor)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64, torch.int16])
def test_parameters_and_windows(dtype: torch.dtype) -> None:
    """Matrices and vectors among the parameters; more windows than the model sees at a time."""
    tensor = torch.randn(4096 + 90, generator=torch.Generator().manual_seed(1)).mul(100).to(dtype)
    parameters = [_C.Parameter([64, 64]), _C.Parameter([0, 7]), _C.Parameter([90])]
    assert assert_round_trip(EXPERTS, tensor, parameters) < 1.01 * tensor.nbytes + 300
    for codec in (mixture(), mixture("iso8859", window=20)):
        assert assert_round_trip(codec, tensor[-290:]) < 1.1 * 290 * dtype.itemsize + 300


def test_it_costs_no_more_than_the_language_model() -> None:
    """Where the model is right, within 10 % and what it takes to learn so."""
    data, bits = sampled_text("hex-space", 4, 60, 6_000)
    tensor = torch.tensor(list(data), dtype=torch.uint8)
    model = sum(bits) / 8
    assert model < 0.9 * len(data), "the model knows its own text"
    assert assert_round_trip(mixture(), tensor) < 1.1 * model + 200
    assert assert_round_trip(EXPERTS, tensor) > 2 * model, "no expert knows it"


def test_it_costs_no_more_than_the_best_expert() -> None:
    """Noise costs its own bytes, whatever the model says of it; what repeats next to nothing."""
    generator = torch.Generator().manual_seed(2)
    noise = torch.randint(0, 256, (4_000,), generator=generator, dtype=torch.uint8)
    assert paper().encode(noise, raw_fallback=False).numel() > 1.15 * noise.nbytes
    for codec in (mixture(window=600), EXPERTS):
        assert assert_round_trip(codec, noise) < 1.01 * noise.nbytes + 200
        repeated = noise[:400].repeat(10).view(torch.float32)
        assert assert_round_trip(codec, repeated) < 0.3 * repeated.nbytes
        assert assert_round_trip(codec, torch.zeros(3_000)) < 250


@pytest.mark.parametrize("place", ["row", "column", "sign"])
def test_neighbours_tell_size_and_sign(place: str) -> None:
    """Of rows and columns with sizes of their own, and of signs that last."""
    generator = torch.Generator().manual_seed(3)
    exponents = torch.randint(-30, 0, (256, 1), generator=generator)
    values = torch.rand(256, 64, generator=generator) + 1
    if place == "sign":
        values *= (torch.randn(256, 64, generator=generator).cumsum(1) > 0) * 2 - 1
    sized = torch.ldexp(values, exponents) if place == "row" else values
    if place == "column":
        sized = torch.ldexp(values, exponents[:64].T)
    mixed = sized.reshape(-1)[torch.randperm(256 * 64, generator=generator)].reshape(256, 64)
    shape = [_C.Parameter([256, 64])]
    assert assert_round_trip(EXPERTS, sized, shape) < 0.99 * assert_round_trip(
        EXPERTS, mixed, shape
    )


def test_damaged_payloads_raise() -> None:
    data, _ = sampled_text("hex-space", 4, 60, 400)
    for codec in (mixture(), EXPERTS):
        payload = codec.encode(torch.tensor(list(data), dtype=torch.uint8), raw_fallback=False)
        for at in (*range(24, 90), *range(90, payload.numel(), 17)):
            damaged = payload.clone()
            damaged[at] ^= 0x10
            with pytest.raises(PayloadError) as caught:
                codec.decode(damaged)
            assert caught.value.kind == "corrupt"
            with pytest.raises(PayloadError) as caught:
                codec.decode(payload[:at])
            assert caught.value.kind == "truncated"


def test_another_prior_or_model_is_refused_by_name() -> None:
    few = torch.arange(30.0)
    with_model = mixture().encode(few, raw_fallback=False)
    alone = EXPERTS.encode(few, raw_fallback=False)
    for codec, payload, kind, message in (
        (EXPERTS, with_model, "model", "with a language model, this codec has none"),
        (mixture(), alone, "model", "without the language model"),
        (mixture(model=random_language_model(seed=2)), with_model, "model", "load the same model"),
        (paper(), with_model, "preset", "written by preset paper with a mixture, this codec is"),
    ):
        with pytest.raises(PayloadError, match=message) as caught:
            codec.decode(payload)
        assert caught.value.kind == kind
    with pytest.raises(ValueError, match="unknown prior 'lm'; use one of model, mixture, experts"):
        lmgc_torch.Codec("paper", prior="lm")
    with pytest.raises(ValueError, match="prior experts takes no stages"):
        lmgc_torch.Codec("paper", prior="experts", stages=[lmgc_torch.stages.Sign()])
    with pytest.raises(ValueError, match="a window of 18 tokens; beside a mixture it must hold"):
        mixture(window=18)


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("paper-prior")])
def test_golden_payloads(name: str) -> None:
    """The bits of this machine are those of the machine that wrote the files."""
    payload = torch.frombuffer(bytearray((FOLDER / f"{name}.bin").read_bytes()), dtype=torch.uint8)
    codec, tensor = golden_codec(name, CASES[name]), golden_tensor(CASES[name])
    assert payload[32] == 6
    assert torch.equal(to_bits(codec.decode(payload)), to_bits(tensor))
    assert torch.equal(codec.encode(tensor, raw_fallback=False), payload)


def test_ctrl_c_ends_a_long_call() -> None:
    """Of half a minute if nothing ended it."""
    script = """
import os, signal, threading, torch
from test_mixture import EXPERTS
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    EXPERTS.encode(torch.randn(10_000_000))
except KeyboardInterrupt:
    print("interrupted")
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "interrupted\n", done.stderr


def test_tables_of_the_logistic_domain() -> None:
    """Against the formula in floating point, to the last place."""
    squashes, stretches = _C.logistic_tables()
    most = (len(squashes) - 1) // 2
    for x, probability in enumerate(squashes, start=-most):
        expected = 65536 / (1 + math.exp(-x / 256))
        assert abs(probability - expected) <= 1 and 0 < probability < 65536
    for probability in range(1, 65536):
        expected = 256 * math.log(probability / (65536 - probability))
        slope = 65536 * 256 / (probability * (65536 - probability))  # of a step of probability
        assert abs(stretches[probability] - expected) <= 1 + slope
