"""When histories learn: in turns, within a budget, the same after a restore."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from lmgc_torch import _C
from lmgc_torch.history import stagger
from steps import averages, learned


def learning_steps(history: _C.History, steps: list[torch.Tensor], count: int) -> list[int]:
    """After the warm steps: those of the next `count` at which the first tile learns."""
    for number in range(10):
        history.observe(steps[number % len(steps)].reshape(-1))
    learning = []
    for number in range(count):
        before = str(history.models()[0])
        history.observe(steps[number % len(steps)].reshape(-1))
        if str(history.models()[0]) != before:
            learning.append(number)
    return learning


@pytest.mark.parametrize("phase", [0, 3])
def test_tiles_learn_once_a_period_after_the_warm_steps(phase: int) -> None:
    history = _C.History((64, 96), 16, phase=phase)
    learning = learning_steps(history, averages((64, 96), 3), 32)
    assert len(learning) == 4 and set(np.diff(learning)) == {8}
    assert (11 + learning[0] + phase) % 8 == 0


@pytest.mark.parametrize("max_pivots", [128, 512])
@pytest.mark.parametrize(
    "shape", [(64, 64), (16, 4096), (128, 128, 3, 3), (512, 512), (2048, 512), (50_000, 64)]
)
def test_learning_is_bounded_by_the_values(shape: tuple[int, ...], max_pivots: int) -> None:
    period, costs = _C.learning_plan(shape, max_pivots)
    assert len(costs) == len(_C.History(shape).tiles)
    budget = 320 * math.prod(shape)
    assert sum(costs) <= period * budget
    assert period == 8 or sum(costs) > (period - 4) * budget


def test_parameters_take_turns() -> None:
    shapes = [(512, 128), (128, 512), (384, 128), (128, 128), (128,), (1024, 1024)] * 6
    plans = [_C.learning_plan(shape, 512) for shape in shapes if _C.is_matrix(shape)]
    loads = np.zeros(240)
    for (period, costs), phase in zip(plans, stagger(plans), strict=True):
        assert 0 <= phase < period
        for tile, cost in enumerate(costs):
            shift = phase + tile * period // len(costs)
            loads[[step for step in range(240) if (step + shift) % period == 0]] += cost
    assert loads.max() < 1.25 * loads.mean()


def test_pivots_are_chosen_anew_in_turns() -> None:
    """From the 16th observation on: no two of 16 turns in the same step."""
    generator = torch.Generator().manual_seed(1)
    steps = [torch.randn(64, 64, generator=generator) for _ in range(7)]
    chosen = []
    for turn in range(16):
        history = _C.History((64, 64), 16, 16, 8, 0, turn)
        for number in range(12):
            history.observe(steps[number % 7].reshape(-1))
        (model,) = history.models()
        assert model is not None
        order = str(model["columns"]["order"])
        step = 12
        while str(history.models()[0]["columns"]["order"]) == order:  # type: ignore[index]
            history.observe(steps[step % 7].reshape(-1))
            step += 1
            assert step < 12 + 8 * 32
        chosen.append(step)
    assert np.diff(chosen).tolist() == [8] * 15


def test_restoring_in_the_middle_of_a_period() -> None:
    steps = averages((64, 96), 4)
    first = learned((64, 96), [steps[i % 4] for i in range(13)], 32, 1)
    late = _C.History((64, 96), 32, 1)
    late.restore(first.state())
    for i in range(20):
        for history in (first, late):
            history.observe(steps[i % 4].reshape(-1))
        assert late.fingerprint == first.fingerprint
    assert late.state() == first.state()
