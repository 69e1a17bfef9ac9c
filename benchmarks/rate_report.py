"""Rates as tables, as what they say about our targets, and as plots."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Console

from cells import Cell
from ours import DTYPES, PRESETS
from report import Result, markdown, show
from sequences import Shapes

NO_HISTORY = ", no history"
# Mean rates to reach: dtype, preset, with all history or none.
TARGETS = {
    ("float32", "fast"): 0.740,
    ("float32", "balanced"): 0.725,
    ("float32", "max"): 0.715,
    ("float32", "fast" + NO_HISTORY): 0.825,
    ("bfloat16", "fast"): 0.505,
    ("bfloat16", "balanced"): 0.490,
    ("bfloat16", "max"): 0.475,
    ("bfloat16", "fast" + NO_HISTORY): 0.650,
}


def final(cells: list[Cell]) -> list[Result]:
    """The step to code, all parameters: peers, and presets with all their history or none."""
    cells = [cell for cell in cells if cell.key.step == 0 and cell.key.parameter is None]
    longest = {cell.key.sequence: 0 for cell in cells}
    for cell in cells:
        longest[cell.key.sequence] = max(longest[cell.key.sequence], cell.key.past)
    results = []
    for cell in sorted(cells, key=lambda cell: (cell.key.past, cell.raw_bytes, cell.key.sequence)):
        key, codec = cell.key, cell.key.codec
        if key.past not in (0, longest[key.sequence]):
            continue
        if codec in PRESETS and key.past == 0:
            codec += NO_HISTORY
        results.append(
            Result(key.sequence, key.dtype, codec, cell.version, cell.raw_bytes,
                   cell.payload_bytes, cell.encode_s, cell.decode_s)
        )  # fmt: skip
    return results


def tables(cells: list[Cell], console: Console) -> str:
    """A table a dtype: on screen, and returned as markdown."""
    text = ""
    for dtype in DTYPES:
        results = [result for result in final(cells) if result.part == dtype]
        show(results, dtype, console, speeds=False)
        text += markdown(results, dtype) + "\n"
    return text


def conclusions(cells: list[Cell], console: Console) -> str:
    """Each target with the mean rate reached, and the dumps where a peer is as small."""
    if not any(cell.key.codec in PRESETS for cell in cells):
        return ""
    lines = ["| dtype | preset | mean rate | to reach | |", "|---|---|---|---|---|"]
    results = final(cells)
    for (dtype, preset), target in TARGETS.items():
        own = [r for r in results if (r.part, r.codec) == (dtype, preset)]
        if own:
            mean = statistics.fmean(result.rate for result in own)
            verdict = "reached" if mean <= target else "**missed**"
            lines.append(f"| {dtype} | {preset} | {mean:.4f} | {target:.3f} | {verdict} |")
    lines += ["", "| a peer is as small | dtype | preset | rate | peer | rate |", "|---" * 6 + "|"]
    no_rival = len(lines)
    for dtype in DTYPES:
        peers = [r for r in results if r.part == dtype and not r.codec.startswith(PRESETS)]
        for ours in (r for r in results if r.part == dtype and r.codec in PRESETS):
            rivals = [peer for peer in peers if peer.net == ours.net]
            best = min(rivals, key=lambda peer: peer.payload_bytes, default=ours)
            if best is not ours and best.payload_bytes <= ours.payload_bytes:
                row = (ours.net, dtype, ours.codec, f"{ours.rate:.4f}", best.codec)
                lines.append(f"| {' | '.join(row)} | {best.rate:.4f} |")
    if len(lines) == no_rival:
        lines.append("| nowhere | | | | | |")
    text = "\n".join(lines) + "\n"
    console.print(text, markup=False, soft_wrap=True)
    return text


def draw(cells: list[Cell], shapes: dict[str, Shapes], path: Path) -> None:
    """A row a dtype: rate by step, by layer and by length of history."""
    ours = [cell for cell in cells if cell.key.codec in PRESETS]
    figure = Figure(figsize=(15, 4.2 * len(DTYPES)), layout="constrained")
    panels = figure.subplots(len(DTYPES), 3, squeeze=False)
    for row, dtype in zip(panels, DTYPES, strict=True):
        own = [cell for cell in ours if cell.key.dtype == dtype]
        by_step(row[0], own)
        by_layer(row[1], own, shapes)
        by_history(row[2], own)
        for panel in row:
            panel.set_ylabel(f"{dtype}: payload / raw bytes")
            panel.grid(alpha=0.3)
            if panel.get_legend_handles_labels()[0]:
                panel.legend(fontsize=7)
    figure.savefig(path, dpi=110)


def lines(panel: Axes, cells: list[Cell], label: str, x: Callable[[Cell], int]) -> None:
    """The mean rate at every x."""
    points: dict[int, list[float]] = {}
    for cell in cells:
        points.setdefault(x(cell), []).append(cell.rate)
    where = sorted(points)
    if where:
        panel.plot(where, [statistics.fmean(points[i]) for i in where], "o-", ms=3, label=label)


def by_step(panel: Axes, cells: list[Cell]) -> None:
    """Every step with all steps before it as history; `balanced`."""
    panel.set_title("by step, all steps before observed (balanced)")
    panel.set_xlabel("step of the sequence")
    walked = [c for c in cells if c.key.codec == "balanced" and c.key.parameter is None]
    longest = max((cell.key.past for cell in walked), default=0)
    for sequence in dict.fromkeys(cell.key.sequence for cell in walked):
        own = [
            cell for cell in walked
            if cell.key.sequence == sequence and cell.key.past == cell.key.step + longest
        ]  # fmt: skip
        lines(panel, own, sequence, lambda cell: cell.key.past)


def by_layer(panel: Axes, cells: list[Cell], shapes: dict[str, Shapes]) -> None:
    """Parameters coded alone, at their depth in the net; `balanced`."""
    panel.set_title("by layer, each coded alone (balanced)")
    panel.set_xlabel("depth: parameter / parameters of the net")
    alone = [(c, c.key.parameter) for c in cells if c.key.parameter is not None]
    for sequence in dict.fromkeys(cell.key.sequence for cell, _ in alone):
        own = [(cell, i) for cell, i in alone if cell.key.sequence == sequence]
        depth = [i / len(shapes[sequence]) for _, i in own]
        panel.plot(depth, [cell.rate for cell, _ in own], "o--", ms=4, lw=0.5, label=sequence)


def by_history(panel: Axes, cells: list[Cell]) -> None:
    """The step to code after 0, 1, 3, ... observed steps; mean over sequences."""
    panel.set_title("by length of history (mean over sequences)")
    panel.set_xlabel("past steps observed")
    panel.set_xscale("symlog", linthresh=1)
    for preset in PRESETS:
        own = [
            cell for cell in cells
            if cell.key.codec == preset and cell.key.step == 0 and cell.key.parameter is None
        ]  # fmt: skip
        lines(panel, own, preset, lambda cell: cell.key.past)
    ticks = sorted({cell.key.past for cell in cells if cell.key.step == 0})
    panel.set_xticks(ticks, [str(tick) for tick in ticks])
