"""Memory that this process may still take."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch

__all__ = ["device_bytes", "host_bytes"]


def host_bytes(root: Path = Path("/")) -> int | None:
    """Bytes that the machine has available, or less, what is left of the limits (v1, v2) of the
    control groups that this process is in. None where /proc does not tell."""
    return min((*_machine(root), *_groups(root)), default=None)


def device_bytes(device: torch.device) -> int:
    """Bytes free on a CUDA device, with those that Torch keeps for this process."""
    kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return torch.cuda.mem_get_info(device)[0] + kept


def _machine(root: Path) -> Iterator[int]:
    for line in _lines(root / "proc/meminfo"):
        if line.startswith("MemAvailable:"):
            yield int(line.split()[1]) * 1024


def _groups(root: Path) -> Iterator[int]:
    mounted = root / "sys/fs/cgroup"
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            top, names = mounted, ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            top = mounted / "memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        # Inside a container the path may be the host's, of which only the top is mounted.
        group = top / path.lstrip("/")
        for folder in (group, *group.parents):
            yield from _left(folder, *names)
            if folder == top:
                break


def _left(group: Path, limit: str, usage: str, reclaimable: str) -> Iterator[int]:
    numbers = [
        int(text) for name in (limit, usage) for text in _lines(group / name) if text != "max"
    ]
    cache = [line.split() for line in _lines(group / "memory.stat")]
    if len(numbers) == 2:
        yield numbers[0] - numbers[1] + sum(int(n) for name, n in cache if name == reclaimable)


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text().splitlines()
    except OSError:
        return []
