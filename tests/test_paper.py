"""Preset `paper`: its text, masking and coding against Python's own, and round trips."""

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
from golden import CASES, FOLDER, golden_codec, golden_tensor, golden_values
from lmgc_torch import _C, SERIALIZATIONS, PayloadError
from random_model import random_language_model
from tensors import tensors, to_bits

SEPARATORS = {
    "hex": ("", ""),
    "hex-space": ("", " "),
    "hex-comma": ("", ","),
    "hex-comma-space": ("", ", "),
    "hex-semicolon": ("", ";"),
    "hex-0x": ("0x", ""),
    "iso8859": ("", ""),
}
MODEL = random_language_model(seed=1, sharpness=6)
GOLDEN = [name for name in CASES if name.startswith("paper-") and "prior" not in name]


def paper(
    serialization: str = "hex-space",
    bytes_per_group: int = 4,
    byte_order: str = "big",
    window: int = 60,
    model: _C.LanguageModel = MODEL,
    mixture: bool = False,
) -> _C.Codec:
    index = SERIALIZATIONS.index(serialization)
    order = ("big", "little").index(byte_order)
    return _C.Codec.paper(model, index, bytes_per_group, order, window, mixture)


@functools.cache
def sampled_text(
    serialization: str, bytes_per_group: int, window: int, length: int
) -> tuple[bytes, list[float]]:
    """Bytes that the model itself thinks likely, and each chunk's bits by the float softmax.

    Written against the paper's text, not against the codec: a chunk is the begin token and whole
    groups `before + digits + after`, one token a character.
    """
    generator = torch.Generator().manual_seed(bytes_per_group)
    before, after = SEPARATORS[serialization]
    alphabet = range(256) if serialization == "iso8859" else b"0123456789abcdef"
    per_group = 1 if serialization == "iso8859" else 2 * bytes_per_group
    groups = (window - 1) // (len(before) + per_group + len(after))
    readout = MODEL.readout(torch.tensor(list(alphabet), dtype=torch.int32))
    symbols: list[int] = []
    bits: list[float] = []
    total = length if serialization == "iso8859" else 2 * length
    while len(symbols) < total:
        cache = MODEL.cache(1, window)
        pending = [MODEL.begin_token]
        bits.append(0.0)
        for at in range(min(groups * per_group, total - len(symbols))):
            if at % per_group == 0:
                pending += (before if at == 0 else after + before).encode()
            scores = MODEL.extend(cache, torch.tensor([pending], dtype=torch.int32), readout)[0, -1]
            nats = (scores.double() / 65536).log_softmax(0)
            symbol = int(torch.multinomial(nats.exp(), 1, generator=generator))
            bits[-1] -= nats[symbol].item() / math.log(2)
            symbols.append(symbol)
            pending = [alphabet[symbol]]
    if serialization == "iso8859":
        return bytes(symbols), bits
    return bytes.fromhex("".join("0123456789abcdef"[symbol] for symbol in symbols)), bits


@pytest.mark.parametrize("serialization", SERIALIZATIONS)
@pytest.mark.parametrize("bytes_per_group", [1, 3, 4, 8])
def test_payload_costs_the_models_code_length(serialization: str, bytes_per_group: int) -> None:
    """Separators are free, illegal tokens have no share, coding loses under 0.1 % and a byte."""
    length, window = 301, 60
    data, bits = sampled_text(serialization, bytes_per_group, window, length)
    payload = paper(serialization, bytes_per_group, window=window).encode(
        torch.tensor(list(data), dtype=torch.uint8), raw_fallback=False
    )
    header, parameters, table = 35 + 2, 39, len(bits)
    codes = payload.numel() - header - parameters - table
    assert sum(bits) / 8 - 1 < codes < 1.001 * sum(bits) / 8 + len(bits)


@settings(max_examples=40)
@given(
    tensor=tensors(),
    serialization=st.sampled_from(SERIALIZATIONS),
    bytes_per_group=st.integers(1, 8),
    byte_order=st.sampled_from(["big", "little"]),
    window=st.integers(19, 64),
)
def test_decode_inverts_encode(
    tensor: torch.Tensor, serialization: str, bytes_per_group: int, byte_order: str, window: int
) -> None:
    codec = paper(serialization, bytes_per_group, byte_order, window)
    assert codec.encode(tensor).numel() <= tensor.nbytes + 64
    payload = codec.encode(tensor, raw_fallback=False)
    assert payload[32] == (2 if tensor.numel() else 0)
    decoded = codec.decode(payload)
    assert decoded.dtype == tensor.dtype and decoded.shape == tensor.shape
    assert torch.equal(to_bits(decoded), to_bits(tensor))


@pytest.mark.parametrize("byte_order", ["big", "little"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64, torch.int16])
def test_text_round_trips_over_many_chunks(byte_order: str, dtype: torch.dtype) -> None:
    """More chunks than lanes, a short last one, element bytes in both orders."""
    data, _ = sampled_text("hex-space", 4, 60, 8000)
    tensor = torch.frombuffer(bytearray(data), dtype=dtype)
    if byte_order == "big":
        swapped = tensor.view(torch.uint8).view(-1, dtype.itemsize).flip(1)
        tensor = swapped.reshape(-1).view(dtype)
    codec = paper(byte_order=byte_order)
    payload = codec.encode(tensor)
    assert payload[32] == 2
    assert payload.numel() < 0.9 * tensor.nbytes
    assert torch.equal(to_bits(codec.decode(payload)), to_bits(tensor))
    other = "little" if byte_order == "big" else "big"
    assert paper(byte_order=other).encode(tensor).numel() > payload.numel()


def text_payload() -> torch.Tensor:
    data, _ = sampled_text("hex-space", 4, 60, 400)
    return paper().encode(torch.tensor(list(data), dtype=torch.uint8))


def test_another_model_or_preset_is_refused_by_name() -> None:
    payload = text_payload()
    for codec, kind, message in (
        (paper(model=random_language_model(seed=2)), "model", "01010101.*02020202.*same model"),
        (_C.Codec.structure(), "preset", "written by preset paper, this codec is structure"),
    ):
        with pytest.raises(PayloadError, match=message) as caught:
            codec.decode(payload)
        assert caught.value.kind == kind


def test_damaged_text_payloads_raise() -> None:
    payload = text_payload()
    for at in (*range(24, 90), *range(90, payload.numel(), 17)):
        damaged = payload.clone()
        damaged[at] ^= 0x10
        with pytest.raises(PayloadError) as caught:
            paper().decode(damaged)
        assert caught.value.kind == "corrupt"
        with pytest.raises(PayloadError) as caught:
            paper().decode(payload[:at])
        assert caught.value.kind == "truncated"


def test_the_decoder_takes_the_text_format_from_the_payload() -> None:
    decoded = paper("hex-0x", 2, "little", 64).decode(text_payload())
    assert torch.equal(decoded, paper().decode(text_payload()))
    with pytest.raises(PayloadError, match="reads windows up to 59"):
        paper(window=59).decode(text_payload())


def test_a_window_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="a window of 9 tokens; it must hold one group"):
        paper(window=9)
    with pytest.raises(ValueError, match="sees at most 700"):
        paper(window=701)


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_payloads(name: str) -> None:
    """The shipped model's bits on this machine are those of the machine that wrote the files."""
    payload = torch.frombuffer(bytearray((FOLDER / f"{name}.bin").read_bytes()), dtype=torch.uint8)
    codec, case = golden_codec(name, CASES[name]), CASES[name]
    assert payload[32] == {"paper-levels": 5, "paper-sparse": 4}.get(name[:12], 2)
    assert torch.equal(to_bits(codec.decode(payload)), to_bits(golden_values(name, case)))
    assert torch.equal(codec.encode(golden_tensor(case)), payload)


def test_a_temperature_is_another_model() -> None:
    noise = torch.randn(60, generator=torch.Generator().manual_seed(1))
    sure, unsure = (lmgc_torch.Codec("paper", temperature=degrees) for degrees in (1, 3))
    payload = unsure.encode(noise, raw_fallback=False)
    assert torch.equal(to_bits(unsure.decode(payload)), to_bits(noise))
    assert payload.numel() < sure.encode(noise, raw_fallback=False).numel()
    with pytest.raises(PayloadError, match="load the same model on every side"):
        sure.decode(payload)
    with pytest.raises(ValueError, match="temperature is 0; use 0.1 to 100"):
        lmgc_torch.Codec("paper", temperature=0)


def test_ctrl_c_ends_a_long_call() -> None:
    """Of minutes if nothing ended it; afterwards the codec works as before."""
    script = """
import os, signal, threading, torch
from test_paper import paper
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
codec, few = paper(), torch.arange(50.0)
before = codec.encode(few)
many = torch.randn(4_000_000)
threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    codec.encode(many)
except KeyboardInterrupt:
    assert torch.equal(codec.encode(few), before) and torch.equal(codec.decode(before), few)
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
