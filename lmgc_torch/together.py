"""What all ranks do at once before they can tell each other errors: it ends, and names who is
missing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch._C._distributed_c10d import Store

_Result = TypeVar("_Result")

_PAUSE_S = 0.2
_PATIENCE_S = 2.0  # with ranks that are there, but busy
_CALLED = "called"


def timeout_of(group: dist.ProcessGroup) -> timedelta:
    timeout: timedelta = group._get_backend(group._device_types[0]).options._timeout
    return timeout


def together(
    work: Callable[[], _Result], group: dist.ProcessGroup, store: Store, caller: str
) -> _Result:
    """What `work` returns, which all ranks of `group` do; by the group's timeout, or soon after.

    Some of what waits for other ranks knows no timeout, so `work` has a thread, which is left to
    itself when time is up. Then, or when `work` raises, ranks call the roll, and a RuntimeError
    tells who did not answer and what others saw. `store`: for this occasion alone.
    """
    if group.size() == 1:
        return work()
    ranks = dist.get_process_group_ranks(group)
    roll = _Roll(store, len(ranks), group.rank())
    outcome: Future[_Result] = Future()

    def run(gpu: AbstractContextManager[None]) -> None:
        try:
            with gpu:
                outcome.set_result(work())
        except Exception as error:
            outcome.set_exception(error)
        roll.woken.set()

    threading.Thread(target=run, args=(_current_gpu(),), daemon=True).start()
    try:
        seconds = timeout_of(group).total_seconds()
        woken = roll.woken.wait(min(seconds, threading.TIMEOUT_MAX))
        failure = outcome.exception() if outcome.done() else None
        if outcome.done() and failure is None:
            roll.sign()
            return outcome.result()
        symptom = _reason(failure) if woken else f"waited for {seconds:g} s"
        told = _told(ranks, roll.call(symptom))
        raise RuntimeError(f"{caller} on rank {ranks[group.rank()]}: {told}") from failure
    finally:
        roll.close()


def _reason(failure: BaseException | None) -> str:
    return "" if failure is None else str(failure).partition("\n")[0]


def _told(ranks: Sequence[int], answers: Mapping[int, str]) -> str:
    if not answers:
        return (
            "ran out of time, and the process group's store does not answer; see what became of "
            "the process that holds it, often rank 0's"
        )
    silent = [str(rank) for place, rank in enumerate(ranks) if place not in answers]
    seen = "; ".join(f"rank {ranks[place]}: {text}" for place, text in answers.items() if text)
    if not silent:
        return f"ranks do not get through to each other ({seen})"
    names = f"rank{'s' if len(silent) > 1 else ''} {', '.join(silent)}"
    return (
        f"{names} did not come, or stopped ({seen}); call it on every rank, and see what became of "
        f"{names}"
    )


def _current_gpu() -> AbstractContextManager[None]:
    """A new thread begins with the first one."""
    if not torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return nullcontext()
    return torch.cuda.device(torch.cuda.current_device())


class _Roll:
    """Ranks sign in a store when they have what they came for, or when one of them calls the roll.

    A store whose process hangs never answers, and a call in it cannot be ended: only a thread of
    its own uses it.
    """

    def __init__(self, store: Store, count: int, own: int) -> None:
        self.woken = threading.Event()  # also by a rank that calls the roll
        self._left = threading.Event()
        self._count = count
        self._own = own
        self._signature: str | None = None
        self._calls = False
        self._answers: dict[int, str] = {}
        self._thread = threading.Thread(target=self._attend, args=(store,), daemon=True)
        self._thread.start()

    def sign(self) -> None:
        self._signature = ""
        self.close()

    def call(self, symptom: str) -> dict[int, str]:
        """What each rank that answers has seen, by place; empty if the store does not answer."""
        self._signature, self._calls = symptom, True
        self.close()
        return dict(self._answers)

    def close(self) -> None:
        self._left.set()
        self._thread.join(2 * _PATIENCE_S)

    def _attend(self, shared: Store) -> None:
        with suppress(Exception):  # it is gone with its process
            # Calls on one connection wait for each other, and some of them for a rank.
            store: Store = shared.clone()  # type: ignore[attr-defined]
            while not self._left.wait(_PAUSE_S):
                if store.check([_CALLED]):
                    self.woken.set()
                    self._left.wait()
            if self._signature is not None:
                store.set(f"{self._own}", self._signature)
            if self._calls:
                store.set(_CALLED, "")
                self._gather(store)

    def _gather(self, store: Store) -> None:
        end = time.monotonic() + _PATIENCE_S
        while time.monotonic() < end:
            for place in range(self._count):
                if place not in self._answers and store.check([f"{place}"]):
                    self._answers[place] = store.get(f"{place}").decode()
            if len(self._answers) == self._count:
                break
            time.sleep(_PAUSE_S)
