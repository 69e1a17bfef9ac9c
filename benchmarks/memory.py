"""Peak memory of our codec: python benchmarks/memory.py FILE.npy PRESET DTYPE, one JSON line.

Everything is relative to the gradient's bytes and comes on top of the gradient itself: `history`
is what the codec keeps after it observed all past steps; `observe`, `encode` and `decode` are the
peaks meanwhile, above what was there before, results included. Linux counts them (VmHWM). Tables of
probabilities, which all codecs of a process share (0.2 MB each, at most 64), are there before.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

import lmgc_torch
from ours import DTYPES
from sequences import SHAPES

Result = TypeVar("Result")


def status_bytes(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    line = next(line for line in lines if line.startswith(name + ":"))
    return int(line.split()[1]) * 1024


def peak_of(action: Callable[[], Result]) -> tuple[int, Result]:
    """Bytes above those resident before; needs Linux."""
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM starts anew
    before = status_bytes("VmRSS")
    result = action()
    return status_bytes("VmHWM") - before, result


def warm_up(preset: str, dtype: torch.dtype) -> None:
    """Loads the code and makes the tables that every codec shares."""
    codec = lmgc_torch.Codec(preset, shapes=[(64, 64)])
    for _ in range(3):
        small = torch.randn(64 * 64).to(dtype)
        codec.decode(codec.encode(small))
        codec.observe(small)


def measure_here(file: Path, preset: str, dtype: str) -> dict[str, float]:
    torch.set_num_threads(1)
    shapes = json.loads((file.parent / SHAPES).read_text())[file.stem]
    with file.open("rb") as stream:
        np.lib.format.read_magic(stream)
        (rows, values), _, _ = np.lib.format.read_array_header_1_0(stream)

        def row() -> torch.Tensor:
            return torch.from_numpy(np.fromfile(stream, np.float32, values)).to(DTYPES[dtype])

        warm_up(preset, DTYPES[dtype])
        start = status_bytes("VmRSS")
        codec = lmgc_torch.Codec(preset, shapes=shapes)
        observed = 0
        for _ in range(rows - 1):
            gradient = row()
            peak, _ = peak_of(partial(codec.observe, gradient))
            observed = max(observed, peak)
            del gradient
        history = status_bytes("VmRSS") - start
        gradient = row()
    codec.encode(gradient)  # makes its tables
    encoded, payload = peak_of(partial(codec.encode, gradient))
    decoded, result = peak_of(partial(codec.decode, payload))
    if not torch.equal(result.view(torch.uint8), gradient.view(torch.uint8)):
        raise RuntimeError(f"{preset} changes {file.stem}")
    sizes = {"history": history, "observe": observed, "encode": encoded, "decode": decoded}
    return {name: round(size / gradient.nbytes, 3) for name, size in sizes.items()}


def measure(file: Path, preset: str, dtype: str) -> dict[str, float]:
    """In a fresh process, whose large blocks go back to Linux as soon as they are freed."""
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}
    command = [sys.executable, str(Path(__file__)), str(file), preset, dtype]
    output = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    peaks: dict[str, float] = json.loads(output)
    return peaks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("preset")
    parser.add_argument("dtype", choices=DTYPES)
    options = parser.parse_args()
    print(json.dumps(measure_here(options.file, options.preset, options.dtype)))


if __name__ == "__main__":
    main()
