"""Histories: what past steps' averaged gradients say about each parameter's next one."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from lmgc_torch import _C

# Pivots at most, and how they are coded: in blocks that double, of 16, or one by one.
_OPTIONS = {"fast": (128, 0), "balanced": (512, 1), "max": (512, 2)}


def make_histories(preset: str, shapes: Sequence[Sequence[int]]) -> list[_C.History | None]:
    """A new history for each parameter, or None where there is nothing to learn."""
    return [_make(preset, shape, index) for index, shape in enumerate(shapes)]


def _make(preset: str, shape: Sequence[int], index: int) -> _C.History | None:
    if preset not in _OPTIONS or not _C.is_matrix(shape):
        return None
    max_pivots, blocks = _OPTIONS[preset]
    return _C.History(shape, max_pivots, blocks, phase=index)  # parameters learn in turns


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
            history.restore(saved.numpy().tobytes())
