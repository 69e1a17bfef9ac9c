"""What the network benchmark measured, and its JSON file."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

Ready = list[tuple[float, int]]  # of each bucket: seconds from the step's start, and bytes


@dataclass(frozen=True)
class Layout:
    """Ranks on hosts; those of one host share its link."""

    hosts: int
    ranks_per_host: int

    @classmethod
    def parse(cls, text: str) -> Layout:
        """Of "4x1": 4 hosts with a rank each."""
        hosts, _, ranks = text.partition("x")
        return cls(int(hosts), int(ranks))

    @property
    def ranks(self) -> int:
        return self.hosts * self.ranks_per_host

    def __str__(self) -> str:
        return f"{self.hosts}x{self.ranks_per_host}"


@dataclass(frozen=True)
class Cell:
    """Steps of one net by one method over one link; of a failed method only why."""

    task: str
    layout: Layout
    mbit: float
    method: str
    step_s: list[float] = field(default_factory=list)
    ratio: float | None = None  # to plain DDP's step time: median over turns, each to its own
    cpu_s: float = 0.0  # of processor, a rank and step
    sent_bytes: float = 0.0  # on the interface, a rank and step
    buckets: list[dict[str, float]] = field(default_factory=list)  # our hook's counters, the same
    failure: str | None = None

    @property
    def median_s(self) -> float:
        return statistics.median(self.step_s)

    @property
    def key(self) -> tuple[str, str, float, str]:
        return self.task, str(self.layout), self.mbit, self.method


@dataclass(frozen=True)
class Exactness:
    """Parameters after the same steps as plain DDP."""

    task: str
    layout: Layout
    method: str
    same_on_ranks: bool
    same_as_plain: bool
    difference: float  # to plain DDP's, of the parameter where it is largest: norm / norm


@dataclass(frozen=True)
class Timeline:
    """A step that exchanges nothing, on all ranks at once."""

    task: str
    layout: Layout
    step_s: float
    cpu_s: float
    ready: Ready


@dataclass
class Record:
    """All of it."""

    about: dict[str, Any]
    cells: list[Cell] = field(default_factory=list)
    exactness: list[Exactness] = field(default_factory=list)
    timelines: list[Timeline] = field(default_factory=list)

    @classmethod
    def load(cls, file: Path) -> Record:
        stored = json.loads(file.read_text())

        def rows(name: str) -> Iterable[dict[str, Any]]:
            for row in stored[name]:
                yield {**row, "layout": Layout(**row["layout"])}

        return cls(
            stored["about"],
            [Cell(**row) for row in rows("cells")],
            [Exactness(**row) for row in rows("exactness")],
            [Timeline(**row) for row in rows("timelines")],
        )

    def save(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(".partial")
        partial.write_text(json.dumps(asdict(self), indent=1) + "\n")
        partial.rename(file)
