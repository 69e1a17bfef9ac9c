"""python thread_program.py PRESET THREADS: codes for a while, on the main thread and on another.

THREADS is what torch.set_num_threads is told, or "default". Prints a line of JSON: how many threads
were busy meanwhile, by what they did, and how many are allowed.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

import lmgc_torch
from lmgc_torch import _C
from random_model import random_language_model

SECONDS = 0.6


def cpu_ticks() -> dict[str, int]:
    """Of each of this process's threads, user and system."""
    ticks = {}
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError):  # it has ended meanwhile
            fields = (task / "stat").read_text().rsplit(")", 1)[1].split()
            ticks[task.name] = int(fields[11]) + int(fields[12])
    return ticks


def busy_threads(work: Callable[[], object]) -> int:
    """Those that had at least a fifth of what the busiest one had. One that ends is not seen."""
    work()
    before = cpu_ticks()
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        work()
    spent = [ticks - before.get(task, 0) for task, ticks in cpu_ticks().items()]
    return sum(5 * one >= max(spent) for one in spent)


def on_another_thread(work: Callable[[], object]) -> int:
    counts: list[int] = []
    thread = threading.Thread(target=lambda: counts.append(busy_threads(work)))
    thread.start()
    thread.join()
    return counts[0]


def codec_of(preset: str) -> tuple[Any, torch.Tensor]:
    if preset == "paper":
        return _C.Codec.paper(random_language_model(), 1, 4, 0, 600), torch.randn(2050)
    codec = lmgc_torch.Codec(preset, shapes=[(512, 512)] * 6)
    gradient = torch.randn(6 * 512 * 512)
    codec.observe(gradient.flip(0))
    return codec, gradient


def main() -> None:
    preset, threads = sys.argv[1:]
    if threads != "default":
        torch.set_num_threads(int(threads))
    codec, gradient = codec_of(preset)
    payload = codec.encode(gradient, raw_fallback=False)
    works: dict[str, Callable[[], object]] = {
        "encode": lambda: codec.encode(gradient, raw_fallback=False),
        "decode": lambda: codec.decode(payload),
    }
    if preset != "paper":
        works["observe"] = lambda: codec.observe(gradient)
    counts = {"allowed": torch.get_num_threads()}
    for name, work in works.items():
        counts[name] = busy_threads(work)
        counts[f"{name} elsewhere"] = on_another_thread(work)
    print(json.dumps(counts))


if __name__ == "__main__":
    main()
