"""The network benchmark's results as tables, as what they say about our targets, and as a plot."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Console

from methods import BASELINE, METHODS
from network_cells import Cell, Layout, Record
from speed_report import markdown

OURS = ("fast", "balanced", "max", "auto")
NOTE = (
    "Seconds a step, and in parentheses step time / plain DDP's: the median of turns, each to the "
    "turn of plain DDP beside it. MB are what a rank sends in a step, counted by the kernel on "
    "the interface of its host, headers and acknowledgements included."
)
EXACT_NOTE = (
    "Parameters after the same steps: equal on all ranks, equal to plain DDP's bit for bit, and "
    "|difference to plain DDP's| / |plain DDP's| of the tensor where that is largest."
)
GOAL_MBIT, GOAL_RANKS = 100.0, 4
TIME_SAVED = 0.15
BYTES_SAVED = 0.20
AUTO_SLOWER = 1.02


def show(record: Record, console: Console) -> str:
    """All tables: on screen, and returned as markdown."""
    text = step_times(record) + f"\n{NOTE}\n\n" + exactness(record) + f"\n{EXACT_NOTE}\n\n"
    text += break_evens(record) + "\n" + goals(record)
    if failures := {cell.method: cell.failure for cell in record.cells if cell.failure}:
        lines = [[method, str(reason)] for method, reason in failures.items()]
        text += "\n" + markdown(("failed", "why"), lines)
    if not record.about["netem"]:
        text += "\nThe kernel had no netem: links have a rate, and neither delay nor loss.\n"
    console.print(text, markup=False, soft_wrap=True)
    return text


def groups(record: Record) -> Iterator[tuple[str, Layout, dict[str, list[Cell]]]]:
    """Nets and layouts, each with the cells of its methods that did not fail."""
    for task, layout in dict.fromkeys((cell.task, cell.layout) for cell in record.cells):
        methods: dict[str, list[Cell]] = {}
        for cell in record.cells:
            if (cell.task, cell.layout) == (task, layout) and not cell.failure:
                methods.setdefault(cell.method, []).append(cell)
        yield task, layout, methods


def rate(mbit: float) -> str:
    return f"{mbit:g} Mbit" if mbit < 1000 else f"{mbit / 1000:g} Gbit"


def step_times(record: Record) -> str:
    bandwidths = sorted({cell.mbit for cell in record.cells})
    lines = []
    for task, layout, methods in groups(record):
        for method, cells in methods.items():
            shown = {
                cell.mbit: f"{cell.median_s:.3f}" + f" ({cell.ratio:.2f})" * bool(cell.ratio)
                for cell in cells
            }
            sent = f"{min(cell.sent_bytes for cell in cells) / 1e6:.2f}"
            times = [shown.get(mbit, "") for mbit in bandwidths]
            lines.append([task, str(layout), method, sent, *times])
    columns = ("net", "hosts x ranks", "method", "MB sent", *map(rate, bandwidths))
    return markdown(columns, lines)


def exactness(record: Record) -> str:
    lines = [
        [
            row.task,
            str(row.layout),
            row.method,
            "yes" if row.same_on_ranks else "**no**",
            "yes" if row.same_as_plain else "no",
            f"{row.difference:.1e}",
        ]
        for row in record.exactness
    ]
    columns = ("net", "hosts x ranks", "method", "same on ranks", "as plain", "difference")
    return markdown(columns, lines)


def break_even(cells: list[Cell]) -> str:
    """The bandwidth up to which a method is faster than plain DDP at all that were measured."""
    cells = sorted((cell for cell in cells if cell.ratio), key=lambda cell: cell.mbit)
    slower = next((i for i, cell in enumerate(cells) if cell.ratio and cell.ratio >= 1), None)
    if slower is None:
        return f"> {rate(cells[-1].mbit)}"
    if slower == 0:
        return f"< {rate(cells[0].mbit)}"
    below, above = cells[slower - 1], cells[slower]
    assert below.ratio and above.ratio
    share = (1 - below.ratio) / (above.ratio - below.ratio)
    log_mbit = math.log(below.mbit) + share * math.log(above.mbit / below.mbit)
    return rate(float(f"{math.exp(log_mbit):.2g}"))


def break_evens(record: Record) -> str:
    lines = [
        [task, str(layout), method, break_even(cells)]
        for task, layout, methods in groups(record)
        for method, cells in methods.items()
        if method != BASELINE and any(cell.ratio for cell in cells)
    ]
    return markdown(("net", "hosts x ranks", "method", "pays up to"), lines)


def goals(record: Record) -> str:
    """What we want, and what was measured."""
    lines = []

    def add(what: str, reach: float, value: float, where: str) -> None:
        verdict = "reached" if value <= reach else "**missed**"
        lines.append([what, f"<= {reach:.2f}", f"{value:.2f}", where, verdict])

    for task, layout, methods in groups(record):
        plain = {cell.mbit: cell for cell in methods.get(BASELINE, [])}
        for method in OURS:
            for cell in methods.get(method, []):
                if (cell.mbit, layout.ranks) == (GOAL_MBIT, GOAL_RANKS) and cell.ratio:
                    where = f"{task} {layout}, {rate(cell.mbit)}"
                    add(f"{method}: step time / plain DDP's", 1 - TIME_SAVED, cell.ratio, where)
                    saved = cell.sent_bytes / plain[cell.mbit].sent_bytes
                    add(f"{method}: bytes / plain DDP's", 1 - BYTES_SAVED, saved, where)
    autos = [cell for cell in record.cells if cell.method == "auto" and cell.ratio]
    if autos:
        worst = max(autos, key=lambda cell: cell.ratio or 0.0)
        where = f"{worst.task} {worst.layout}, {rate(worst.mbit)}"
        add("auto: worst step time / plain DDP's", AUTO_SLOWER, worst.ratio or 0.0, where)
    return markdown(("goal", "to reach", "measured", "where", ""), lines)


def draw(record: Record, path: Path) -> None:
    """Step time / plain DDP's by bandwidth: a row a net, a column a layout, a line a method."""
    tasks = list(dict.fromkeys(cell.task for cell in record.cells))
    layouts = list(dict.fromkeys(cell.layout for cell in record.cells))
    size = (4.6 * len(layouts) + 1, 3.6 * len(tasks))
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(len(tasks), len(layouts), squeeze=False)
    for task, layout, methods in groups(record):
        panel = panels[tasks.index(task)][layouts.index(layout)]
        panel.set_title(f"{task}, {layout.hosts} hosts x {layout.ranks_per_host}")
        curves(panel, methods)
        panel.legend(fontsize=7)
    figure.savefig(path, dpi=110)


def curves(panel: Axes, methods: dict[str, list[Cell]]) -> None:
    for method, cells in methods.items():
        if method == BASELINE:
            continue
        points = [(cell.mbit, cell.ratio) for cell in cells if cell.ratio]
        style = "o-" if METHODS[method].lossless else "s:"
        panel.plot(
            [mbit for mbit, _ in points], [ratio for _, ratio in points], style, ms=4, label=method
        )
    panel.axhline(1.0, color="grey", linewidth=0.8, zorder=0)
    panel.set_xscale("log")
    panel.set_ylim(bottom=0.0)
    panel.grid(alpha=0.3)
    panel.set_xlabel("Mbit/s of each host's link")
    panel.set_ylabel("step time / plain DDP's")
