"""Measured payloads, in a JSON file: a run that was interrupted goes on where it stopped."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Key:
    """Which payload."""

    sequence: str
    dtype: str
    codec: str
    step: int = 0  # 0 is the step to code, -1 the one before it
    past: int = 0  # steps that the codec observed
    parameter: int | None = None  # coded alone; None: all of them


@dataclass(frozen=True)
class Cell:
    """A payload that was decoded and compared bit for bit."""

    key: Key
    version: str  # of the codec
    checksum: int  # of the sequence's step to code
    raw_bytes: int
    payload_bytes: int
    encode_s: float
    decode_s: float

    @property
    def rate(self) -> float:
        return self.payload_bytes / self.raw_bytes


@dataclass
class Store:
    """Cells by key, in `file` beside the rest of a report."""

    file: Path
    cells: dict[Key, Cell] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.file.exists():
            stored = json.loads(self.file.read_text())["cells"]
            self.add(Cell(**{**cell, "key": Key(**cell["key"])}) for cell in stored)

    def add(self, cells: Iterable[Cell]) -> None:
        self.cells |= {cell.key: cell for cell in cells}

    def has(self, keys: Iterable[Key], version: str, checksum: int) -> bool:
        """Whether all are there from this codec; one of changed sources ("+") never is."""
        found = [self.cells.get(key) for key in keys]
        return not version.endswith("+") and all(
            cell is not None and (cell.version, cell.checksum) == (version, checksum)
            for cell in found
        )

    def save(self, report: dict[str, object]) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        cells = ",\n".join(f"  {json.dumps(asdict(cell))}" for cell in self.cells.values())
        head = json.dumps(report, indent=1).removesuffix("\n}")
        partial = self.file.with_suffix(".partial")
        partial.write_text(f'{head},\n "cells": [\n{cells}\n ]\n}}\n')
        partial.rename(self.file)
