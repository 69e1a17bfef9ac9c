"""What averaging took: counters, and where they are written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from lmgc_torch import _C

if TYPE_CHECKING:
    from lmgc_torch.hook import Handle


@dataclass(frozen=True)
class Counters:
    """What averaging some buckets took on this rank.

    `plain_buckets` of the `buckets` went by a plain allreduce, whose `sent_bytes` are a ring's, and
    its `wire_seconds` all it took; on a device they are added when that has come to its end.
    `raw_bytes` are those of the buckets, `coded_bytes` those of the values that this rank encoded:
    the buckets', or from three ranks on the shards for its peers and its own sum. `sent_bytes` are
    those for all peers, announcements included. Seconds are those of the hook's threads, which
    overlap.
    """

    buckets: int = 0
    plain_buckets: int = 0
    raw_bytes: int = 0
    coded_bytes: int = 0
    payload_bytes: int = 0
    sent_bytes: int = 0
    encode_seconds: float = 0.0
    wire_seconds: float = 0.0
    decode_seconds: float = 0.0
    observe_seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Payload bytes / coded bytes; 1.0 before the first bucket."""
        return self.payload_bytes / self.coded_bytes if self.coded_bytes else 1.0

    def __add__(self, other: Counters) -> Counters:
        mine, others = asdict(self), asdict(other)
        return Counters(**{name: mine[name] + others[name] for name in mine})

    def __sub__(self, other: Counters) -> Counters:
        mine, others = asdict(self), asdict(other)
        return Counters(**{name: mine[name] - others[name] for name in mine})


@dataclass(frozen=True)
class Stats:
    """Counters by bucket index."""

    buckets: Mapping[int, Counters]

    @property
    def total(self) -> Counters:
        return sum(self.buckets.values(), Counters())

    def __sub__(self, earlier: Stats) -> Stats:
        differences = {
            index: counters - earlier.buckets.get(index, Counters())
            for index, counters in self.buckets.items()
        }
        return Stats({index: more for index, more in differences.items() if more.buckets})


def counters_of(communicator: _C.Communicator) -> dict[int, Counters]:
    names = [field.name for field in fields(Counters)]
    return {
        index: Counters(**{name: getattr(counters, name) for name in names})
        for index, counters in communicator.stats().items()
    }


class Board(Protocol):
    """What is needed of a torch.utils.tensorboard.SummaryWriter."""

    def add_scalar(self, tag: str, scalar_value: float, global_step: int) -> Any: ...


class StatsLog:
    """Writes what buckets took since the last time: lines of JSON, curves in TensorBoard, or both.

        log = lmgc_torch.StatsLog(handle, path="rank0.jsonl", board=SummaryWriter())
        ...
        log.write(step)  # after a step, or after some

    Args:
        handle: of the hook. `handle.stats(reset=True)` does not disturb the log.
        path: a file to which lines are added; its folder must exist.
        board: a SummaryWriter, or what has its `add_scalar`.
    """

    def __init__(
        self, handle: Handle, path: str | Path | None = None, board: Board | None = None
    ) -> None:
        self._handle = handle
        self._path = path
        self._board = board
        self._before = handle.stats_since_registration()

    def write(self, step: int) -> None:
        """One line: step, counters of all buckets, and those of each with how it is averaged."""
        now = self._handle.stats_since_registration()
        stats = now - self._before
        self._before = now
        total = _numbers(stats.total)
        if self._path is not None:
            buckets = [
                {"bucket": index, "method": self._handle.method_of(index), **_numbers(counters)}
                for index, counters in sorted(stats.buckets.items())
            ]
            line = json.dumps({"step": step, **total, "per_bucket": buckets})
            with open(self._path, "a", encoding="utf-8") as file:
                file.write(line + "\n")
        if self._board is not None:
            for name, value in total.items():
                self._board.add_scalar(f"lmgc_torch/{name}", value, step)


def _numbers(counters: Counters) -> dict[str, float]:
    return {**asdict(counters), "rate": counters.rate}
