"""Consecutive real gradients to measure on: python benchmarks/sequences.py FOLDER [--past N].

Trains the nets of tasks.py and writes for each step to code NAME_STEP.npy, float32 [past + 1,
values]: parameters flattened one after another, the last row to be coded, the others its history;
and shapes.json {NAME_STEP: [parameter shapes]}. What FOLDER has already is kept. One thread and
fixed seeds: the same machine gives the same gradients. An hour on a free core, most for gpt512.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console

from gradients import Floats, one_thread
from tasks import TASKS

PAST = 10
REPORT_S = 20.0  # between two lines of progress
SHAPES = "shapes.json"

Shapes = list[tuple[int, ...]]


@dataclass(frozen=True)
class Sequence:
    """Gradients of consecutive steps of one net, memory-mapped."""

    name: str
    shapes: Shapes
    steps: Floats  # [past + 1, values]

    @property
    def past(self) -> Floats:
        return self.steps[:-1]

    @property
    def gradient(self) -> Floats:
        """The step to code."""
        last: Floats = self.steps[-1]
        return last


def load(folder: Path) -> list[Sequence]:
    """All sequences in `folder`, the smallest first."""
    known = json.loads((folder / SHAPES).read_text())
    found = [
        Sequence(
            name,
            [tuple(shape) for shape in shapes],
            np.load(folder / f"{name}.npy", mmap_mode="r"),
        )
        for name, shapes in known.items()
    ]
    return sorted(found, key=lambda sequence: (sequence.gradient.size, sequence.name))


def save(folder: Path, name: str, shapes: Shapes, steps: Iterable[Floats]) -> None:
    """Writes the sequence; other processes may add theirs to the same folder meanwhile."""
    partial = folder / f".{name}.npy"
    np.save(partial, np.stack(list(steps)))
    with (folder / SHAPES).open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        partial.rename(folder / f"{name}.npy")
        file.seek(0)
        known = json.loads(file.read() or "{}")
        file.truncate(0)
        file.write(json.dumps(known | {name: shapes}))


def recorded(folder: Path, name: str, past: int) -> bool:
    """Whether `folder` has the sequence with that many past steps, or more."""
    shapes, file = folder / SHAPES, folder / f"{name}.npy"
    known = shapes.exists() and name in json.loads(shapes.read_text())
    return known and file.exists() and len(np.load(file, mmap_mode="r")) > past


@one_thread()
def record(folder: Path, name: str, past: int, console: Console) -> None:
    """Trains the net `name` as far as its missing sequences need."""
    build, steps = TASKS[name]
    missing = {step: f"{name}_{step:04d}" for step in steps}
    missing = {step: key for step, key in missing.items() if not recorded(folder, key, past)}
    if not missing:
        console.print(f"{name}: all there")
        return
    if min(missing) < past:
        raise SystemExit(f"{name}: step {min(missing)} has no {past} steps before it; less --past")
    torch.manual_seed(1)
    task = build()
    shapes = [tuple(parameter.shape) for parameter in task.net.parameters()]
    recent: deque[Floats] = deque(maxlen=past + 1)
    start = reported = time.monotonic()
    for step in range(max(missing) + 1):
        loss = task.backward()
        gradients = [p.grad.flatten() for p in task.net.parameters() if p.grad is not None]
        recent.append(torch.cat(gradients).numpy())
        if step in missing:
            save(folder, missing[step], shapes, recent)
            console.print(f"{missing[step]}: {len(recent)} x {recent[0].size:,}, loss {loss:.3f}")
        task.optimizer.step()
        if (now := time.monotonic()) > reported + REPORT_S:
            reported, each = now, (now - start) / (step + 1)
            left = each * (max(missing) - step)
            console.print(
                f"{name}: step {step} of {max(missing)}, loss {loss:.3f}, {each:.2f} s a step, "
                f"{left / 60:.0f} min left",
                style="dim",
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--past", type=int, default=PAST, help="steps of history of each sequence")
    parser.add_argument("--nets", nargs="+", choices=TASKS, default=list(TASKS))
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for name in options.nets:
        record(options.folder, name, options.past, Console(width=100))


if __name__ == "__main__":
    main()
