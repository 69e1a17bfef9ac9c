"""History: what past steps' averages say about the next, the same bits everywhere."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from lmgc_torch import _C
from steps import averages, learned

SHAPES = [(64, 96), (64, 8, 3, 3), (300, 130), (1030, 16)]
BLOCKS = [16, 1]


@pytest.fixture
def restore_settings() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    _C.set_predict_gemm_path(_C.predict_gemm_paths()[0])
    _C.set_wide_path(_C.wide_paths()[0])


def covered(shape: tuple[int, ...]) -> NDArray[np.int64]:
    seen = np.zeros(math.prod(shape), np.int64)
    for start, rows, columns, stride in _C.History(shape).tiles:
        assert 0 < rows <= 4096 and 0 < columns <= 2048 and rows * columns <= 1 << 19
        at = start + np.arange(rows)[:, None] * stride + np.arange(columns)
        seen[at.reshape(-1)] += 1
    return seen


@pytest.mark.parametrize(
    "shape",
    [(), (1,), (63,), (64,), (1000,), (300_001,), (0,), (3, 0), (2, 3), (1, 7, 1), (3, 5000)]
    + [(5000, 3), (4097, 16), (1030, 1030), (512, 64, 3, 3)],
)
def test_tiles_cover_every_value_once(shape: tuple[int, ...]) -> None:
    assert (covered(shape) == 1).all()


@pytest.mark.usefixtures("restore_settings")
@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("shape", [(64, 96), (1030, 16), (600, 1030)])
def test_same_bits_with_any_threads_and_kernels(shape: tuple[int, ...], block: int) -> None:
    steps = averages(shape, 2 if math.prod(shape) > 100_000 else 5)
    states = set()
    large = math.prod(shape) > 100_000  # where scalar products are slow
    for path in _C.predict_gemm_paths()[: 1 if large else None]:
        for wide, threads in ((_C.wide_paths()[0], 1), (_C.wide_paths()[-1], 2)):
            torch.set_num_threads(threads)
            _C.set_predict_gemm_path(path)
            _C.set_wide_path(wide)
            states.add(learned(shape, steps, 32, block).state())
    assert len(states) == 1


GOLDEN = {16: 13119484595196672282, 1: 13983187238784191904}


@pytest.mark.parametrize("block", BLOCKS)
def test_bits_are_those_of_every_machine(block: int) -> None:
    state, steps = 1, []
    for _ in range(5):
        values = np.empty(70 * 90, np.int64)
        for i in range(values.size):
            state = state * 1664525 + 1013904223 & 0xFFFFFFFF
            values[i] = state >> 8
        noise = (values - (1 << 23)).reshape(70, 90)
        mixed = noise + np.roll(noise, 1, axis=1) + np.roll(noise, 1, axis=0) * 3
        steps.append(torch.from_numpy(np.ldexp(mixed.astype(np.float32), np.arange(90) % 7 - 40)))
    assert learned((70, 90), steps, 64, block).fingerprint == GOLDEN[block]


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("shape", SHAPES)
def test_models_hold_what_the_coder_relies_on(shape: tuple[int, ...], block: int) -> None:
    history = learned(shape, averages(shape, 5), 64, block)
    for (_, rows, columns, _), model in zip(history.tiles, history.models(), strict=True):
        assert model is not None
        for side, n in ((model["columns"], columns), (model["rows"], rows)):
            pivots, edges = side["pivots"], side["edges"].tolist()
            assert pivots <= min(64, n) and pivots % 2 == 0
            assert edges[0] == 0 and edges[-1] == n
            assert all(a < b for a, b in zip(edges, edges[1:], strict=False))
            assert sorted(side["order"].tolist()) == list(range(n))
            assert side["weights"].shape == (n, pivots)
            for start, stop in zip(edges, edges[1:], strict=False):
                assert not side["weights"][start:stop, min(start, pivots) :].any()
        assert model["remainder_exponent"].shape == (columns,)


def remainder(model: _C.ModelDict, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """What both predictions leave of x, in coding order and floating point."""
    columns, rows = model["columns"], model["rows"]
    x = x[np.ix_(rows["order"].numpy(), columns["order"].numpy())]
    exponent = columns["exponent"].numpy()
    weights = columns["weights"].numpy() * np.exp2(columns["shift"].numpy())[:, None]
    units = np.ldexp(x, -exponent)
    x = x - np.ldexp(units[:, : columns["pivots"]] @ weights.T, exponent)
    exponent = rows["exponent"].numpy()[:, None]
    weights = rows["weights"].numpy() * np.exp2(rows["shift"].numpy())[:, None]
    units = np.ldexp(x, -exponent)
    left: NDArray[np.float64] = x - np.ldexp(weights @ units[: rows["pivots"]], exponent)
    return left


@pytest.mark.parametrize("block", BLOCKS)
def test_predicts_the_next_step(block: int) -> None:
    shape = (128, 192)
    *past, last = averages(shape, 11)
    (model,) = learned(shape, past, 128, block).models()
    assert model is not None
    x = last.numpy().astype(np.float64)
    left = remainder(model, x)
    x = x[np.ix_(model["rows"]["order"].numpy(), model["columns"]["order"].numpy())]
    octaves = 0.5 * np.log2((x**2).mean(0) / (left**2).mean(0)).mean()
    assert octaves > 0.7  # 12 directions and noise of a sixth of their power


def test_sides_that_do_not_help_are_left_out() -> None:
    generator = torch.Generator().manual_seed(1)
    noise = [torch.randn(64, 256, generator=generator) for _ in range(4)]
    (model,) = learned((64, 256), noise).models()
    assert model is not None
    assert model["columns"]["pivots"] == 0 and model["columns"]["edges"].tolist() == [0, 256]


def test_small_tiles_have_no_model() -> None:
    for shape in [(63, 64), (7, 4096), (4096, 7), (), (100,)]:
        history = learned(shape, [torch.ones(shape)])
        assert all(model is None for model in history.models())


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_counts_as_zero(bad: float) -> None:
    steps = averages((64, 96), 3)
    zeroed, broken = steps[1].clone(), steps[1].clone()
    zeroed[3, ::5] = 0
    broken[3, ::5] = bad
    expected = learned((64, 96), [steps[0], zeroed, steps[2]])
    assert learned((64, 96), [steps[0], broken, steps[2]]).state() == expected.state()


@pytest.mark.parametrize("value", [0.0, 3e38, 1e-45])
def test_extreme_steps(value: float) -> None:
    steps = averages((64, 96), 2)
    history = learned((64, 96), [torch.full((64, 96), value), *steps, torch.full((64, 96), value)])
    copy = _C.History((64, 96))
    copy.restore(history.state())
    assert copy.fingerprint == history.fingerprint


@pytest.mark.parametrize("shape", [*SHAPES, (5, 7), (700, 1030)])
def test_a_late_rank_joins_by_restoring(shape: tuple[int, ...]) -> None:
    steps = averages(shape, 6 if math.prod(shape) < 100_000 else 2)
    first = learned(shape, steps[:-1], 32)
    late = _C.History(shape, 32)
    late.restore(first.state())
    assert late.state() == first.state() and late.fingerprint == first.fingerprint
    assert str(late.models()) == str(first.models())
    for history in (first, late):
        history.observe(steps[-1].reshape(-1))
    assert late.fingerprint == first.fingerprint and late.steps == len(steps)
    first.reset()
    assert first.state() == _C.History(shape, 32).state()


def test_fingerprints_tell_histories_apart() -> None:
    steps = averages((64, 96), 3)
    other = steps[0].clone()
    other[5, 5] *= 2
    prints = [
        learned((64, 96), seen).fingerprint
        for seen in (steps[:0], steps[:1], steps[:2], steps, [other, *steps[1:]], steps[::-1])
    ]
    assert len(set(prints)) == len(prints)


def test_damaged_states_are_refused() -> None:
    history = learned((64, 96), averages((64, 96), 2), 16)
    state, fresh = history.state(), _C.History((64, 96), 16)
    empty = fresh.state()
    for cut in [*range(0, 60), len(state) // 2, len(state) - 1]:
        with pytest.raises(ValueError, match="truncated|early"):
            fresh.restore(state[:cut])
    generator = np.random.default_rng(1)
    for at in [*range(0, 80), *generator.integers(80, len(state), 40)]:
        flipped = bytearray(state)
        flipped[at] ^= 1 << int(generator.integers(8))
        with pytest.raises(ValueError, match="lmgc::predict: history's state"):
            fresh.restore(bytes(flipped))
    for wrong in (_C.History((96, 64), 16), _C.History((64, 96), 32), _C.History((64, 96), 16, 1)):
        with pytest.raises(ValueError, match="shape|options"):
            wrong.restore(state)
    assert fresh.state() == empty


def test_wrong_averages_and_options_are_refused() -> None:
    with pytest.raises(ValueError, match="5 values for a parameter of 6144"):
        _C.History((64, 96)).observe(torch.ones(5))
    with pytest.raises(ValueError, match="16 to 512 pivots"):
        _C.History((64, 96), 8)
    with pytest.raises(ValueError, match="negative size"):
        _C.History((64, -1))


@pytest.mark.parametrize("pivots", [128, 512])
@pytest.mark.parametrize("shape", [(1024, 1024), (2048, 512)])
def test_memory_of_large_parameters_is_bounded(shape: tuple[int, int], pivots: int) -> None:
    history = learned(shape, averages(shape, 3), pivots)
    gradient = 4 * math.prod(shape)
    assert len(history.state()) <= 0.151 * gradient
    assert history.bytes <= 0.151 * gradient
    expected = 0
    for (_, rows, columns, _), model in zip(history.tiles, history.models(), strict=True):
        assert model is not None
        k = max(model["columns"]["pivots"], model["rows"]["pivots"])
        expected += (rows + columns) * (k + 18) + 6 * columns + 2 * k * (k + 1)
    assert 0.97 * expected < history.bytes <= expected
