"""How fast gradients are coded: python benchmarks/speed.py FOLDER [--sequences NAME ...].

FOLDER holds sequences of consecutive gradients (sequences.py). Our presets, with all history, and
the fastest peers code the same bytes in turn, on one thread and on two; seconds are medians over
the rounds, of processor time on one thread (others may use the machine) and of the clock on two
(nobody should). Each round ends with an observed step: `observe` is the mean of 16 of them after
a warm-up of all past steps. Writes speed.json and speed.md.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import Progress

import memory
from contenders import BASELINE, Contender, Dump, as_bytes, contenders, dump
from environment import environment
from ours import DTYPES, PRESETS
from sequences import load
from speed_report import Speed, show_claims, show_peaks, show_speeds
from speed_targets import worst_claims

RESULTS = Path(__file__).resolve().parent / "results"
PACKAGES = ("torch", "lmgc_torch", "numpy", "blosc2", "zipnn")
DEFAULT = ("gpt512_1000", "vit_0300", "resnet_0400")
ROUNDS = 16
LEAST_ROUNDS = 3
BUDGET_S = 60.0  # a contender that took so long codes no more than LEAST_ROUNDS


@dataclass
class Times:
    """Of one contender on one dump."""

    contender: Contender
    encode_s: list[float] = field(default_factory=list)
    decode_s: list[float] = field(default_factory=list)
    observe_s: list[float] = field(default_factory=list)
    warm_up_s: list[float] = field(default_factory=list)
    payload_bytes: int = 0

    @property
    def spent(self) -> bool:
        total = sum(self.encode_s) + sum(self.decode_s)
        return len(self.encode_s) >= LEAST_ROUNDS and total > BUDGET_S


def timed(action: Any, *arguments: Any) -> tuple[float, Any]:
    """Seconds of processor time on one thread, else of the clock; and the result."""
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    start = clock()
    result = action(*arguments)
    return clock() - start, result


def code(times: Times, gradients: Dump) -> None:
    """One round; the first also compares what comes back."""
    contender = times.contender
    values = contender.fresh()
    encode_s, payload = timed(contender.encode, values)
    decode_s, decoded = timed(contender.decode, payload)
    if not times.encode_s:
        times.payload_bytes = len(as_bytes(payload))
        if as_bytes(decoded) != as_bytes(gradients.gradient):
            raise RuntimeError(f"{contender.name} changes {gradients.name}")
    times.encode_s.append(encode_s)
    times.decode_s.append(decode_s)


def race(gradients: Dump, presets: list[str], threads: int, progress: Progress) -> list[Speed]:
    """All contenders in turn, every round in another order."""
    torch.set_num_threads(threads)
    all_times = [Times(contender) for contender in contenders(gradients, presets, threads)]
    title = f"{gradients.name}, {gradients.dtype}, {threads} thread{'s' if threads > 1 else ''}"
    task = progress.add_task(title, total=ROUNDS + 1)
    for times in all_times:
        if observe := times.contender.observe:
            times.warm_up_s = [timed(observe, step)[0] for step in gradients.steps[:-1]]
    progress.advance(task)
    begin, begin_s = time.process_time(), time.perf_counter()
    for number in range(ROUNDS):
        turn = number % len(all_times)
        for times in (*all_times[turn:], *all_times[:turn]):
            if not times.spent:
                code(times, gradients)
            if observe := times.contender.observe:
                step = gradients.steps[number % len(gradients.steps)]
                times.observe_s.append(timed(observe, step)[0])
        progress.advance(task)
    processors = (time.process_time() - begin) / (time.perf_counter() - begin_s)
    return [
        Speed(
            sequence=gradients.name,
            dtype=gradients.dtype,
            threads=threads,
            codec=times.contender.name,
            version=times.contender.version,
            raw_bytes=gradients.gradient.nbytes,
            payload_bytes=times.payload_bytes,
            rounds=len(times.encode_s),
            processors=processors,
            encode_s=statistics.median(times.encode_s),
            decode_s=statistics.median(times.decode_s),
            observe_s=statistics.fmean(times.observe_s or [0.0]),
            slowest_observe_s=max(times.observe_s, default=0.0),
            warm_up_s=statistics.fmean(times.warm_up_s or [0.0]),
        )
        for times in all_times
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="sequences, as sequences.py writes them")
    parser.add_argument("--sequences", nargs="+", default=list(DEFAULT))
    parser.add_argument("--dtypes", nargs="+", choices=DTYPES, default=list(DTYPES))
    parser.add_argument("--presets", nargs="*", default=list(PRESETS))
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--output", type=Path, default=RESULTS, help="where the results go")
    options = parser.parse_args()

    console = Console()
    chosen = [sequence for sequence in load(options.folder) if sequence.name in options.sequences]
    if not chosen:
        raise SystemExit(f"{options.folder} has none of {', '.join(options.sequences)}")
    speeds: list[Speed] = []
    with Progress(console=console) as progress:
        for sequence in chosen:
            for dtype in options.dtypes:
                gradients = dump(sequence, dtype)
                for threads in options.threads:
                    speeds += race(gradients, options.presets, threads, progress)
                if sequence is chosen[-1]:  # the largest: is time linear in bytes?
                    speeds += race(gradients.half(), options.presets, 1, progress)
    file = options.folder / f"{chosen[-1].name}.npy"
    peaks = {
        f"{preset}, {dtype}": memory.measure(file, preset, dtype)
        for preset in options.presets
        for dtype in options.dtypes
    }
    claims = worst_claims(speeds, options.presets, peaks)
    text = show_speeds(speeds, BASELINE, console)
    text += show_peaks(peaks, console) if peaks else ""
    text += show_claims([claim.row() for claim in claims], console)
    record = {
        "environment": environment(PACKAGES),
        "memory_of": file.stem,
        "memory": peaks,
        "results": [asdict(speed) for speed in speeds],
    }
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "speed.json").write_text(json.dumps(record, indent=1) + "\n")
    (options.output / "speed.md").write_text(text)
    console.print(f"{options.output / 'speed.json'} and speed.md written.")


if __name__ == "__main__":
    main()
