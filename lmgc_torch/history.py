"""Histories: what past steps' averaged gradients say about each parameter's next one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from lmgc_torch import _C

# Pivots at most, and how many of them are coded together.
_OPTIONS = {"fast": (128, 16), "balanced": (512, 16), "max": (512, 1)}

# A parameter's period in steps, and what each of its tiles costs when it learns.
Plan = tuple[int, Sequence[int]]
# Steps that a schedule balances: a common multiple of usual periods.
_CYCLE = 240


def make_histories(preset: str, shapes: Sequence[Sequence[int]]) -> list[_C.History | None]:
    """A new history for each parameter, or None where there is nothing to learn."""
    histories: list[_C.History | None] = [None] * len(shapes)
    if preset not in _OPTIONS:
        return histories
    max_pivots, block = _OPTIONS[preset]
    learning = [index for index, shape in enumerate(shapes) if _C.is_matrix(shape)]
    phases = stagger([_C.learning_plan(shapes[index], max_pivots) for index in learning])
    for turn, (index, phase) in enumerate(zip(learning, phases, strict=True)):
        histories[index] = _C.History(shapes[index], max_pivots, block, phase=phase, turn=turn)
    return histories


def stagger(plans: Sequence[Plan]) -> list[int]:
    """A phase for each parameter, so that all steps take about as long: the costliest choose first,
    each what it makes least worse.
    """
    loads = [0] * _CYCLE
    phases = [0] * len(plans)
    for index in sorted(range(len(plans)), key=lambda index: -sum(plans[index][1])):
        period = plans[index][0]
        worst = [
            max((loads[step] + cost for step, cost in _steps(plans[index], phase)), default=0)
            for phase in range(period)
        ]
        phases[index] = worst.index(min(worst))
        for step, cost in _steps(plans[index], phases[index]):
            loads[step] += cost
    return phases


def _steps(plan: Plan, phase: int) -> Iterator[tuple[int, int]]:
    """Steps of a cycle at which a tile learns, and what that costs."""
    period, costs = plan
    for tile, cost in enumerate(costs):
        shift = phase + tile * period // len(costs)
        yield from ((step, cost) for step in range(-shift % period, _CYCLE, period))


def histories_state(histories: Sequence[_C.History | None]) -> list[torch.Tensor | None]:
    """One uint8 tensor for each history."""
    return [
        None if history is None else torch.frombuffer(bytearray(history.state()), dtype=torch.uint8)
        for history in histories
    ]


def load_histories(
    histories: Sequence[_C.History | None], state: Sequence[torch.Tensor | None]
) -> None:
    """Restores all histories, or none. Raises ValueError for others' or damaged states."""
    if [history is None for history in histories] != [saved is None for saved in state]:
        raise ValueError(
            f"states of {len(state)} parameters do not fit this codec's {len(histories)}"
        )
    old = histories_state(histories)
    try:
        _restore(histories, state)
    except ValueError:
        _restore(histories, old)
        raise


def _restore(histories: Sequence[_C.History | None], state: Sequence[torch.Tensor | None]) -> None:
    for history, saved in zip(histories, state, strict=True):
        if history is not None and saved is not None:
            history.restore(saved.cpu().numpy().tobytes())
