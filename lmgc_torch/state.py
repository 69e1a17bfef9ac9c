"""What a hook has learned, for checkpoints: all ranks take it over, or none does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.distributed as dist

from lmgc_torch import _C
from lmgc_torch.groups import objects_by
from lmgc_torch.handshake import shake_hands
from lmgc_torch.history import histories_state, load_histories
from lmgc_torch.plan import AUTO, CANDIDATES, PLAIN

# By parameter name.
Histories = Mapping[str, _C.History | None]

_UNDECIDED = "undecided"
_CALLER = "lmgc_torch.Handle.load_state_dict"
_REMEDY = "Load the same checkpoint on every rank, or None on those that have none"


class SharedState:
    """Histories of each preset, and which of them is in use: equal on every rank of `group`."""

    def __init__(
        self,
        group: dist.ProcessGroup,
        hook: _C.Hook,
        preset: str,
        histories: Mapping[str, Histories],
        device: torch.device | None,
    ) -> None:
        self._group = group
        self._hook = hook
        self._preset = preset
        self._histories = histories
        self._device = device

    def state_dict(self) -> dict[str, Any]:
        """Strings and uint8 tensors. Those are in tuples, which torch.distributed.checkpoint takes
        as they are: it fills a bare tensor in place, and these change their length.
        """
        active = self._active()
        histories = self._histories.get(active, {})
        states = histories_state(list(histories.values()))
        return {
            "preset": self._preset,
            "active": active,
            "histories": {
                name: () if state is None else (state,)
                for name, state in zip(histories, states, strict=True)
            },
        }

    def _active(self) -> str:
        """The preset in use, or that there is none."""
        plan = self._hook.plan()
        if plan is None:
            return self._preset
        if plan["deciding"]:
            return _UNDECIDED
        return PLAIN if plan["method"] is None else CANDIDATES[plan["method"]]

    def load_state_dict(self, state: Mapping[str, Any] | None) -> None:
        """See Handle.load_state_dict."""
        with objects_by(self._device):
            self._share(state)

    def _share(self, state: Mapping[str, Any] | None) -> None:
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
        histories = [h for some in self._histories.values() for h in some.values()]
        old = histories_state(histories)
        problem: Exception | None = None
        try:
            self._load(state)
        except Exception as error:
            problem = ValueError(f"as received from rank {source}: {error}") if received else error
        try:
            shake_hands(self._group, ranks, self._facts(state), problem, _CALLER, _REMEDY)
        except Exception:
            load_histories(histories, old)
            raise
        active = state["active"]
        if self._preset == AUTO and active != _UNDECIDED:
            self._hook.resume_plan(None if active == PLAIN else CANDIDATES.index(active))

    def _load(self, state: Mapping[str, Any]) -> None:
        if not {"preset", "active", "histories"} <= state.keys():
            raise ValueError("it is no state of a hook")
        if state["preset"] != self._preset:
            raise ValueError(
                f"it is of preset {state['preset']!r}, this hook's is {self._preset!r}"
            )
        active: str = state["active"]
        if active not in (*self._histories, PLAIN, _UNDECIDED):
            raise ValueError(f"it is of {active!r}, which this hook does not know")
        histories = self._histories.get(active, {})
        saved: Mapping[str, tuple[torch.Tensor, ...]] = state["histories"]
        for name in [*histories, *saved]:
            if name not in saved or name not in histories:
                which = "checkpoint" if name in saved else "model"
                raise ValueError(f"only the {which} has a parameter {name}")
        states = [next(iter(saved[name]), None) for name in histories]
        load_histories(list(histories.values()), states)

    def _facts(self, state: Mapping[str, Any]) -> dict[str, str]:
        return {"preset in use": str(state.get("active"))} | {
            f"{preset} history of {name}": (
                f"{history.steps} steps, fingerprint {history.fingerprint:016x}"
            )
            for preset, histories in self._histories.items()
            for name, history in histories.items()
            if history is not None
        }
