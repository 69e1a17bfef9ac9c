"""Larger networks than can be built here: python benchmarks/simulate.py [--record FILE].

First predicts what network.json holds (--record) from that file's codec speeds, rates, and steps
without exchange, and tells how far off it is. Then goes on to 1,000 ranks and 400 Gbit/s: gradients
that are ready at once, so that only exchanging counts; where compression does not pay there, it
pays nowhere. Writes simulate.json, simulate.md and simulate.png.
"""

from __future__ import annotations

import argparse
import json
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from rich.console import Console
from rich.progress import track

from environment import environment
from network_cells import Record
from network_measures import Measures
from simulation import (
    Codec,
    Link,
    Workload,
    halving_hops,
    hook_step_s,
    in_units,
    plain_step_s,
    ring_hops,
)
from speed_report import markdown

RESULTS = Path(__file__).resolve().parent / "results"
PACKAGES = ("torch", "lmgc_torch")
GOODPUT = 1448 / 1514  # TCP's payload / bytes on the wire
LATENCY_S = 100e-6  # of veth, with the threads that wake up on both sides
MESSAGE_S = 10e-6
# What is assumed of larger networks.
LARGE_LATENCY_S = 20e-6
LARGE_MESSAGE_S = 2e-6
LARGE_GBIT = (25.0, 100.0, 400.0)
LARGE_RANKS = (2, 8, 64, 1000)
STAGES = 3  # threads that encode, reduce and decode, each on cores of its own
CORES = (1, 4, 16, 64)  # of each: its codec is so many times as fast as on one
BUCKET_BYTES = 25 * 1024**2
BUCKETS = 40
MOST_FASTER = 1e5


@dataclass(frozen=True)
class Check:
    """A measured cell with its prediction."""

    task: str
    layout: str
    mbit: float
    method: str
    measured_s: float
    predicted_s: float

    @property
    def error(self) -> float:
        """Share of the measured time; negative: predicted too fast."""
        return self.predicted_s / self.measured_s - 1


@dataclass(frozen=True)
class Outlook:
    """Step time / plain DDP's, and what the codec would need for 1."""

    preset: str
    gbit: float
    ranks: int
    plain_s: float
    ratios: dict[int, float]  # by cores
    encode_gb_per_s: float | None  # of a codec that takes as long; None: none does


def checks(record: Record) -> list[Check]:
    found = []
    for task, layout in dict.fromkeys((cell.task, cell.layout) for cell in record.cells):
        if layout.ranks_per_host > 1:
            continue  # ranks that share a link are not modelled
        measures = Measures.of(record, task, layout)
        for cell in measures.cells:
            if cell.method not in ("plain", *measures.codecs):
                continue
            link = Link(
                cell.mbit * 1e6 / 8 * GOODPUT, LATENCY_S, MESSAGE_S, measures.cpu_s_per_byte
            )
            work, ranks, cores = measures.workload, layout.ranks, measures.cores
            codec = measures.codecs.get(cell.method)
            seconds = (
                hook_step_s(in_units(work, ranks), codec, link, ranks, cores)
                if codec
                else plain_step_s(work, link, ranks, cores, ring_hops(ranks))
            )
            found.append(Check(task, str(layout), cell.mbit, cell.method, cell.median_s, seconds))
    return found


def largest_codecs(record: Record) -> dict[str, Codec]:
    """The presets as measured on the largest net, on the fewest ranks."""
    largest = max(record.timelines, key=lambda line: sum(size for _, size in line.ready))
    lines = [line for line in record.timelines if line.task == largest.task]
    fewest = min(lines, key=lambda line: line.layout.ranks)
    return Measures.of(record, fewest.task, fewest.layout).codecs


def pays_from(codec: Codec, link: Link, ranks: int, plain_s: float) -> float | None:
    """How many times as fast the codec must be for plain DDP's time; by bisection. None: never."""
    low, high = 1e-3, MOST_FASTER
    work = in_units(exchange_only(), ranks)
    if hook_step_s(work, codec.faster(high), link, ranks, STAGES) > plain_s:
        return None
    while high / low > 1.01:
        middle = (low * high) ** 0.5
        slow = hook_step_s(work, codec.faster(middle), link, ranks, STAGES) > plain_s
        low, high = (middle, high) if slow else (low, middle)
    return high


def exchange_only() -> Workload:
    return Workload((BUCKET_BYTES,) * BUCKETS, (0.0,) * BUCKETS, 0.0)


def outlooks(codecs: dict[str, Codec]) -> list[Outlook]:
    """Of codecs as fast as measured on one core, and as so many times that."""
    found = []
    cases = [(p, g, n) for p in codecs for g in LARGE_GBIT for n in LARGE_RANKS]
    for preset, gbit, ranks in track(cases, "larger networks"):
        work = in_units(exchange_only(), ranks)
        codec, link = codecs[preset], Link(gbit * 1e9 / 8, LARGE_LATENCY_S, LARGE_MESSAGE_S)
        plain_s = plain_step_s(exchange_only(), link, ranks, STAGES, halving_hops(ranks))
        ratios = {
            cores: hook_step_s(work, codec.faster(cores), link, ranks, STAGES) / plain_s
            for cores in CORES
        }
        to_pay = pays_from(codec, link, ranks, plain_s)
        gb_per_s = to_pay / codec.encode_s / 1e9 if to_pay else None
        found.append(Outlook(preset, gbit, ranks, plain_s, ratios, gb_per_s))
    return found


CHECK_NOTE = (
    "Predicted / measured - 1, over nets and bandwidths. Median, and what a tenth of the cells are "
    "below and above."
)
OUTLOOK_NOTE = (
    f"{BUCKETS} buckets of {BUCKET_BYTES / 1024**2:.0f} MiB, ready at once; step time / plain "
    f"DDP's, by cores of each of the {STAGES} coding threads (assumed: twice the cores, twice the "
    f"speed). Assumed too: {LARGE_LATENCY_S * 1e6:.0f} us of latency, and "
    f"{LARGE_MESSAGE_S * 1e6:.0f} a message, sending takes no core, no stragglers, rates as on few "
    "ranks; plain DDP halves and doubles. Pays from: the encoder's speed at which both take as "
    "long, the decoder faster by the same factor."
)


def error_lines(found: list[Check]) -> list[list[str]]:
    lines = []
    for method, layout in dict.fromkeys((check.method, check.layout) for check in found):
        errors = [c.error for c in found if (c.method, c.layout) == (method, layout)]
        low, *_, high = statistics.quantiles([*errors, errors[0]], n=10, method="inclusive")
        shown = [f"{value:+.0%}" for value in (statistics.median(errors), low, high)]
        lines.append([method, layout, str(len(errors)), *shown])
    return lines


def show(found: list[Check], ahead: list[Outlook], console: Console) -> str:
    columns = ("check", "hosts x ranks", "cells", "median", "10 %", "90 %")
    text = markdown(columns, error_lines(found)) + f"\n{CHECK_NOTE}\n\n"
    cores = [f"{count} core{'s' if count > 1 else ''}" for count in CORES]
    ahead_columns = ("preset", "link", "ranks", "plain s", *cores, "pays from")
    lines = [
        [
            outlook.preset,
            f"{outlook.gbit:g} Gbit",
            str(outlook.ranks),
            f"{outlook.plain_s:.3f}",
            *(f"{ratio:.2f}" for ratio in outlook.ratios.values()),
            f"{outlook.encode_gb_per_s:.1f} GB/s" if outlook.encode_gb_per_s else "never",
        ]
        for outlook in ahead
    ]
    text += markdown(ahead_columns, lines) + f"\n{OUTLOOK_NOTE}\n"
    console.print(text, markup=False, soft_wrap=True)
    return text


def draw(found: list[Check], ahead: list[Outlook], path: Path) -> None:
    """Predicted against measured, and the speed that pays by number of ranks."""
    figure = Figure(figsize=(11, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for method in dict.fromkeys(check.method for check in found):
        own = [check for check in found if check.method == method]
        left.plot([c.measured_s for c in own], [c.predicted_s for c in own], "o", label=method)
    ends = [f(c.measured_s for c in found) for f in (min, max)]
    left.plot(ends, ends, color="grey", linewidth=0.8)
    left.set(xscale="log", yscale="log", xlabel="measured s a step", ylabel="predicted s a step")
    for preset, gbit in dict.fromkeys((outlook.preset, outlook.gbit) for outlook in ahead):
        own_ahead = [o for o in ahead if (o.preset, o.gbit) == (preset, gbit)]
        ranks = [outlook.ranks for outlook in own_ahead]
        speeds = [outlook.encode_gb_per_s or None for outlook in own_ahead]
        right.plot(ranks, speeds, "o-", label=f"{preset}, {gbit:g} Gbit")
    right.set(xscale="log", yscale="log", xlabel="ranks", ylabel="encoder's GB/s that pay")
    right.set_xticks(LARGE_RANKS, [str(ranks) for ranks in LARGE_RANKS])
    for panel in (left, right):
        for axis in (panel.xaxis, panel.yaxis):
            axis.set_minor_formatter(NullFormatter())
        panel.grid(alpha=0.3)
        panel.legend(fontsize=7)
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--record", type=Path, default=RESULTS / "network.json")
    parser.add_argument("--output", type=Path, default=RESULTS, help="where the results go")
    options = parser.parse_args()
    if not options.record.exists():
        raise SystemExit(f"no {options.record}; benchmarks/network.py writes it, or name another")

    console = Console()
    record = Record.load(options.record)
    found = checks(record)
    codecs = largest_codecs(record)
    ahead = outlooks(codecs)
    text = show(found, ahead, console)
    options.output.mkdir(parents=True, exist_ok=True)
    report = {
        "environment": environment(PACKAGES),
        "record": record.about,
        "codecs": {name: asdict(codec) for name, codec in codecs.items()},
        "checks": [asdict(check) for check in found],
        "outlooks": [asdict(outlook) for outlook in ahead],
    }
    file = options.output / "simulate.json"
    file.write_text(json.dumps(report, indent=1) + "\n")
    file.with_suffix(".md").write_text(text)
    draw(found, ahead, file.with_suffix(".png"))
    console.print(f"{file} and its .md and .png written.")


if __name__ == "__main__":
    main()
