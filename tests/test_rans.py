"""Bulk coders: interleaved rANS on every instruction set, and raw bits."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from lmgc_torch import _C

PATHS = _C.rans_paths()
TOTAL = 4096


def indices(values: NDArray[np.int64]) -> torch.Tensor:
    return torch.from_numpy(values.astype(np.int64))


def counts_of(
    kind: str, contexts: int, alphabet: int, generator: np.random.Generator
) -> torch.Tensor:
    """Counts [contexts, alphabet], none of them empty."""
    if kind == "single":  # one certain symbol
        counts = np.eye(alphabet, dtype=np.int64)[generator.integers(alphabet, size=contexts)]
    elif kind == "skewed":  # all but certain: frequency 4095 where there are 2 symbols
        counts = np.ones((contexts, alphabet), np.int64)
        counts[:, 0] = 1 << 30
    elif kind == "sparse":
        counts = generator.integers(1, 1 << 20, (contexts, alphabet))
        counts *= generator.random((contexts, alphabet)) < 0.3
        counts[:, -1] += 1
    else:  # bells of 1.2 to 2.4 standard deviation, with rare far symbols
        width = np.linspace(1.2, 2.4, contexts)[:, None]
        centre = alphabet / 2 + generator.random((contexts, 1))
        distance = (np.arange(alphabet) - centre) / width
        counts = (1e6 * np.exp(-0.5 * distance**2)).astype(np.int64) + 1
    return indices(counts)


def frequencies_of(counts: torch.Tensor) -> NDArray[np.int64]:
    return np.stack([_C.rans_frequencies(row).numpy() for row in counts])


def drawn(
    frequencies: NDArray[np.int64], contexts: NDArray[np.int64], generator: np.random.Generator
) -> NDArray[np.uint8]:
    slots = generator.integers(TOTAL, size=len(contexts))
    above = np.cumsum(frequencies, axis=1)[contexts]
    return (above <= slots[:, None]).sum(axis=1).astype(np.uint8)


@st.composite
def chunks(draw: st.DrawFn) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, list[int]]:
    """Symbols, contexts, counts, blocks."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    kind = draw(st.sampled_from(["single", "skewed", "sparse", "bells"]))
    alphabet = draw(st.sampled_from([1, 2, 3, 17, 64, 256]))
    contexts = draw(st.sampled_from([1, 2, 40]))
    count = draw(st.integers(0, 5000) | st.sampled_from([511, 512, 2048, 4096, 8191, 8192, 20_000]))
    cuts = draw(st.lists(st.integers(0, count), max_size=6).map(sorted))
    blocks = [end - begin for begin, end in itertools.pairwise([0, *cuts, count])]
    counts = counts_of(kind, contexts, alphabet, generator)
    chosen = generator.integers(contexts, size=count)
    frequencies = frequencies_of(counts)
    if draw(st.booleans()):
        symbols = drawn(frequencies, chosen, generator)
    else:  # rare symbols as often as others
        order = np.argsort(frequencies == 0, axis=1, kind="stable")
        present = (frequencies > 0).sum(axis=1)[chosen]
        symbols = order[chosen, generator.integers(1 << 30, size=count) % present].astype(np.uint8)
    return torch.from_numpy(symbols), indices(chosen), counts, blocks


@given(chunk=chunks())
def test_every_path_writes_and_reads_the_same_bytes(
    chunk: tuple[torch.Tensor, torch.Tensor, torch.Tensor, list[int]],
) -> None:
    symbols, contexts, counts, blocks = chunk
    reference = _C.rans_encode(symbols, contexts, counts, "scalar", blocks)
    assert reference.numel() <= 2 * symbols.numel() + 128
    for path in PATHS:
        assert torch.equal(_C.rans_encode(symbols, contexts, counts, path, blocks), reference)
        assert torch.equal(_C.rans_decode(reference, contexts, counts, path, blocks), symbols)


def bells(count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, float]:
    """Symbols, contexts, counts and the ideal bits of symbols of about 3 bits."""
    generator = np.random.default_rng(count)
    counts = counts_of("bells", 150, 64, generator)
    chosen = generator.integers(150, size=count)
    frequencies = frequencies_of(counts)
    symbols = drawn(frequencies, chosen, generator)
    ideal = -np.log2(frequencies[chosen, symbols] / TOTAL).sum()
    return torch.from_numpy(symbols), indices(chosen), counts, float(ideal)


@pytest.mark.parametrize("count", [1, 10, 100, 511, 1000, 8192, 100_000])
def test_length_is_the_ideal_and_three_bytes_a_lane(count: int) -> None:
    symbols, contexts, counts, ideal = bells(count)
    lanes = 1 << min(5, max(1, count // 256).bit_length() - 1)
    size = _C.rans_encode(symbols, contexts, counts, PATHS[0]).numel()
    assert size <= 1.001 * ideal / 8 + 4 * lanes
    assert size >= ideal / 8 * 0.999


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("count", [1, 40, 600, 9000])
def test_every_truncation_raises(path: str, count: int) -> None:
    symbols, contexts, counts, _ = bells(count)
    chunk = _C.rans_encode(symbols, contexts, counts, path)
    for kept in {*range(0, chunk.numel(), max(1, count // 200)), chunk.numel() - 1}:
        with pytest.raises(_C.StreamError):
            _C.rans_decode(chunk[:kept].clone(), contexts, counts, path)
    longer = torch.cat([chunk, torch.zeros(2, dtype=torch.uint8)])
    with pytest.raises(_C.StreamError, match="does not end"):
        _C.rans_decode(longer, contexts, counts, path)


def outcome(chunk: torch.Tensor, contexts: torch.Tensor, counts: torch.Tensor, path: str) -> bytes:
    try:
        return _C.rans_decode(chunk, contexts, counts, path).numpy().tobytes()
    except _C.StreamError as error:
        return str(error).encode()


@given(seed=st.integers(0, 2**32), count=st.integers(1, 9000), noise=st.floats(0, 1))
def test_damaged_bytes_end_alike_on_every_path(seed: int, count: int, noise: float) -> None:
    generator = np.random.default_rng(seed)
    symbols, contexts, counts, _ = bells(count)
    chunk = _C.rans_encode(symbols, contexts, counts, "scalar").numpy()
    hit = generator.random(len(chunk)) < noise**4
    damaged = np.where(hit, generator.integers(256, size=len(chunk)), chunk).astype(np.uint8)
    outcomes = {outcome(torch.from_numpy(damaged), contexts, counts, path) for path in PATHS}
    assert len(outcomes) == 1


@given(counts=st.lists(st.integers(0, 2**32 - 1) | st.integers(0, 3), min_size=1, max_size=256))
def test_frequencies_sum_to_the_total_and_keep_what_occurs(counts: list[int]) -> None:
    frequencies = _C.rans_frequencies(torch.tensor(counts)).tolist()
    assert sum(frequencies) == TOTAL
    if any(counts):
        assert all((f > 0) == (c > 0) for f, c in zip(frequencies, counts, strict=True))
        assert _C.rans_frequencies(torch.tensor(frequencies)).tolist() == frequencies


def test_frequencies_are_pinned() -> None:
    assert _C.rans_frequencies(torch.tensor([1, 1, 1])).tolist() == [1366, 1365, 1365]
    assert _C.rans_frequencies(torch.tensor([0, 0, 0])).tolist() == [1366, 1365, 1365]
    assert _C.rans_frequencies(torch.tensor([2**32 - 1, 1, 0, 1])).tolist() == [4094, 1, 0, 1]


def test_bytes_are_pinned() -> None:
    symbols = torch.arange(600, dtype=torch.uint8) % 5
    contexts = torch.arange(600) % 2
    counts = torch.tensor([[8, 4, 2, 1, 1], [1, 1, 1, 1, 1]])
    chunk = _C.rans_encode(symbols, contexts, counts, "scalar").numpy()
    assert (len(chunk), chunk[:16].tobytes().hex()) == (
        198,
        "fdf5420038368201af7afa7f7a5eedb9",
    )


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("count", [1, 33, 9000])
def test_what_cannot_be_encoded_is_refused(path: str, count: int) -> None:
    counts = torch.tensor([[1, 0, 1]])
    zeros = torch.zeros(count, dtype=torch.int64)
    symbols = torch.zeros(count, dtype=torch.uint8)
    symbols[count // 2] = 1
    with pytest.raises(ValueError, match="frequency is 0"):
        _C.rans_encode(symbols, zeros, counts, path)
    with pytest.raises(ValueError, match="symbol 3 of an alphabet of 3"):
        _C.rans_encode(symbols * 3, zeros, counts, path)
    with pytest.raises(ValueError, match="context 1 of 1 tables"):
        _C.rans_encode(symbols, zeros + 1, counts, path)
    with pytest.raises(ValueError, match="blocks"):
        _C.rans_encode(symbols, zeros, counts, path, [count - 1])
    with pytest.raises(ValueError, match="no loops named"):
        _C.rans_encode(symbols, zeros, counts, "mmx")
