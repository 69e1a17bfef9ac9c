"""What a hook has learned, for checkpoints: all ranks take it over, or none does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.distributed as dist

from lmgc_torch import _C
from lmgc_torch.handshake import shake_hands
from lmgc_torch.history import histories_state, load_histories

_CALLER = "lmgc_torch.Handle.load_state_dict"
_REMEDY = "Load the same checkpoint on every rank, or None on those that have none"


class SharedState:
    """Histories by parameter name, equal on every rank of `group`."""

    def __init__(
        self,
        group: dist.ProcessGroup,
        preset: str,
        histories: Mapping[str, _C.History | None],
    ) -> None:
        self._group = group
        self._preset = preset
        self._histories = histories

    def state_dict(self) -> dict[str, Any]:
        """Strings and uint8 tensors. Those are in tuples, which torch.distributed.checkpoint takes
        as they are: it fills a bare tensor in place, and these change their length.
        """
        states = histories_state(list(self._histories.values()))
        return {
            "preset": self._preset,
            "histories": {
                name: () if state is None else (state,)
                for name, state in zip(self._histories, states, strict=True)
            },
        }

    def load_state_dict(self, state: Mapping[str, Any] | None) -> None:
        """See Handle.load_state_dict."""
        ranks = dist.get_process_group_ranks(self._group)
        holds = [False] * len(ranks)
        dist.all_gather_object(holds, state is not None, group=self._group)
        if not any(holds):
            return
        source = ranks[holds.index(True)]
        received = state is None
        if not all(holds):
            box = [state]
            dist.broadcast_object_list(box, src=source, group=self._group)
            state = box[0] if received else state
        assert state is not None
        histories = list(self._histories.values())
        old = histories_state(histories)
        problem: Exception | None = None
        try:
            load_histories(histories, self._states_of(state))
        except Exception as error:
            problem = ValueError(f"as received from rank {source}: {error}") if received else error
        try:
            shake_hands(self._group, ranks, self._facts(), problem, _CALLER, _REMEDY)
        except Exception:
            load_histories(histories, old)
            raise

    def _states_of(self, state: Mapping[str, Any]) -> list[torch.Tensor | None]:
        """Those of this hook's parameters, in their order."""
        if not {"preset", "histories"} <= state.keys():
            raise ValueError("it is no state of a hook")
        if state["preset"] != self._preset:
            raise ValueError(
                f"it is of preset {state['preset']!r}, this hook's is {self._preset!r}"
            )
        saved: Mapping[str, tuple[torch.Tensor, ...]] = state["histories"]
        for name in [*self._histories, *saved]:
            if name not in saved or name not in self._histories:
                which = "checkpoint" if name in saved else "model"
                raise ValueError(f"only the {which} has a parameter {name}")
        return [next(iter(saved[name]), None) for name in self._histories]

    def _facts(self) -> dict[str, str]:
        return {
            f"history of {name}": f"{history.steps} steps, fingerprint {history.fingerprint:016x}"
            for name, history in self._histories.items()
            if history is not None
        }
