"""How small gradients become: python benchmarks/rates.py FOLDER [--quick] [--single].

FOLDER holds sequences of consecutive gradients (sequences.py). Codes the last step of each with
our presets, with history and without, and with every peer, in float32 and bfloat16. Every payload
is decoded and compared bit for bit. Writes rates.json, rates.md and rates.png. Peers are measured
once: what rates.json has from the same version on the same gradient is kept. With --single there is
no history; writes rates-single.json and .md.
"""

from __future__ import annotations

import argparse
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

import ours
from cells import Cell, Key, Store
from environment import environment
from number_peers import number_peers
from peers import Peer
from rate_report import conclusions, draw, tables
from sequences import Sequence, load

RESULTS = Path(__file__).resolve().parent / "results"
PACKAGES = ("torch", "lmgc_torch", "numpy", "zstandard", "blosc2", "pcodec", "fpzip", "zipnn")
HISTORY_LENGTHS = (0, 1, 3, 10)
LAYER_PRESET = "balanced"
LAYER_VALUES = 4096  # parameters below are not coded alone
QUICK_VALUES = 1_000_000
# Rough seconds a megabyte, for the progress bar.
COSTS = {"zstd-19": 0.9, "lzma": 1.4, "lzma, bytes shuffled": 1.8, "blosc2 zstd-9 shuffle": 1.0}


@dataclass(frozen=True)
class Job:
    """Payloads that are measured together."""

    name: str
    keys: list[Key]
    version: str
    checksum: int
    run: Callable[[], Iterator[ours.Coded]]  # as many as keys, in their order
    cost: float

    def cells(self) -> list[Cell]:
        return [
            Cell(key, self.version, self.checksum, coded.raw_bytes, coded.payload_bytes,
                 round(coded.encode_s, 4), round(coded.decode_s, 4))
            for key, coded in zip(self.keys, self.run(), strict=True)
        ]  # fmt: skip


def code_with(peer: Peer, sequence: Sequence, dtype: torch.dtype) -> Iterator[ours.Coded]:
    values = ours.as_array(ours.as_tensor(sequence.gradient, dtype))
    start = time.perf_counter()
    payload = peer.encode(values)
    encoded = time.perf_counter()
    decoded = peer.decode(payload)
    end = time.perf_counter()
    if decoded.tobytes() != values.tobytes():
        raise RuntimeError(f"{peer.name} changes {sequence.name}")
    yield ours.Coded(values.nbytes, len(payload), encoded - start, end - encoded)


def code_steps(
    preset: str, sequence: Sequence, dtype: torch.dtype, past: int, coded: int
) -> Iterator[ours.Coded]:
    """The last `coded` steps, the last of them with `past` steps of history."""
    steps = (ours.as_tensor(step, dtype) for step in sequence.steps[-1 - past :])
    yield from ours.walk(preset, sequence.shapes, steps, past + 1 - coded)


def code_parameters(
    preset: str, sequence: Sequence, dtype: torch.dtype, chosen: list[int]
) -> Iterator[ours.Coded]:
    """Each chosen parameter alone, with all history."""
    ends = np.cumsum([int(np.prod(shape)) for shape in sequence.shapes])
    for parameter in chosen:
        shape = sequence.shapes[parameter]
        part = slice(int(ends[parameter] - np.prod(shape)), int(ends[parameter]))
        steps = (ours.as_tensor(step[part], dtype) for step in sequence.steps)
        yield from ours.walk(preset, [shape], steps, len(sequence.past))


def jobs(sequence: Sequence, presets: list[str], quick: bool, single: bool) -> Iterator[Job]:
    checksum = zlib.crc32(sequence.gradient.tobytes())
    full, version = 0 if single else len(sequence.past), ours.version()
    for name, dtype in ours.DTYPES.items():
        megabytes = sequence.gradient.size * dtype.itemsize / 1e6
        key = partial(Key, sequence.name, name)
        for peer in number_peers(np.float32 if dtype is torch.float32 else np.uint16):
            run = partial(code_with, peer, sequence, dtype)
            cost = COSTS.get(peer.name, 0.1) * megabytes
            yield Job(peer.name, [key(peer.name)], peer.version, checksum, run, cost)
        for preset in presets:
            for past in sorted({*HISTORY_LENGTHS, full}):
                if past > full or (quick and past not in (0, full)):
                    continue
                coded = full + 1 if past == full and not quick else 1
                keys = [key(preset, 1 - coded + i, past + 1 - coded + i) for i in range(coded)]
                run = partial(code_steps, preset, sequence, dtype, past, coded)
                title = f"{preset}, {past} past"
                yield Job(title, keys, version, checksum, run, 0.1 * (past + coded) * megabytes)
        if LAYER_PRESET in presets and not quick and not single:
            sizes = [int(np.prod(shape)) for shape in sequence.shapes]
            chosen = [i for i, size in enumerate(sizes) if size >= LAYER_VALUES]
            keys = [key(LAYER_PRESET, 0, full, parameter) for parameter in chosen]
            run = partial(code_parameters, LAYER_PRESET, sequence, dtype, chosen)
            yield Job("layer by layer", keys, version, checksum, run, full * 0.1 * megabytes)


def measure(todo: list[tuple[str, Job]], save: Callable[[list[Cell]], None]) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f} %"),
               TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())  # fmt: skip
    with Progress(*columns, speed_estimate_period=3600.0) as progress:
        task = progress.add_task("", total=sum(job.cost for _, job in todo))
        for sequence, job in todo:
            progress.update(task, description=f"{sequence}: {job.name}")
            cells = job.cells()
            save(cells)
            progress.advance(task, job.cost)
            if not progress.console.is_terminal:
                last = cells[-1]
                print(f"{sequence} {last.key.dtype} {job.name}: {last.rate:.4f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="sequences, as sequences.py writes them")
    parser.add_argument("--output", type=Path, default=RESULTS, help="where the results go")
    parser.add_argument("--presets", nargs="*", default=list(ours.PRESETS))
    parser.add_argument("--quick", action="store_true", help="small nets, no plots of steps")
    parser.add_argument("--single", action="store_true", help="single gradients, no history")
    options = parser.parse_args()
    torch.set_num_threads(1)

    console = Console()
    sequences = load(options.folder)
    if options.quick:
        sequences = [s for s in sequences if s.gradient.size < QUICK_VALUES]
    name = "rates" + "-quick" * options.quick + "-single" * options.single
    store = Store(options.output / f"{name}.json")
    report: dict[str, object] = {"environment": environment(PACKAGES)}
    known = {sequence.name for sequence in sequences}
    everything = [
        (s.name, job)
        for s in sequences
        for job in jobs(s, options.presets, options.quick, options.single)
    ]
    todo = [
        (name, job)
        for name, job in everything
        if not store.has(job.keys, job.version, job.checksum)
    ]
    console.print(f"{len(everything) - len(todo)} of {len(everything)} measurements are there.")

    def save(cells: list[Cell]) -> None:
        store.add(cells)
        store.save(report)

    measure(todo, save)
    wanted = {key for _, job in everything for key in job.keys}
    cells = [cell for key, cell in store.cells.items() if key in wanted and key.sequence in known]
    markdown = tables(cells, console) + conclusions(cells, console)
    store.file.with_suffix(".md").write_text(markdown)
    if not options.single:
        draw(cells, {s.name: s.shapes for s in sequences}, store.file.with_suffix(".png"))
    store.save(report)
    console.print(f"{store.file} and what belongs to it written; all payloads decode bit for bit.")


if __name__ == "__main__":
    main()
