"""The benchmark's results as a table in the terminal and as a plot."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure
from rich import box
from rich.console import Console
from rich.table import Table

COLORS = {"LM-GC": "tab:orange", "fast": "tab:green"}


@dataclass(frozen=True)
class Result:
    """A stream that decoded bit for bit."""

    net: str
    part: str  # which of the net's values
    codec: str
    version: str
    raw_bytes: int
    payload_bytes: int
    encode_s: float
    decode_s: float

    @property
    def rate(self) -> float:
        """Payload bytes / raw bytes; lower is better."""
        return self.payload_bytes / self.raw_bytes


def names(results: list[Result]) -> tuple[list[str], list[str]]:
    """Nets and codecs, each once, in the order of the results."""
    nets, codecs = dict.fromkeys(r.net for r in results), dict.fromkeys(r.codec for r in results)
    return list(nets), list(codecs)


def show(results: list[Result], title: str, console: Console, *, speeds: bool = True) -> None:
    """A row a codec, a column a net; the lowest rate of each net is bold."""
    nets, codecs = names(results)
    rates = {(r.codec, r.net): r.rate for r in results}
    lowest = {net: min(rates[codec, net] for codec in codecs) for net in nets}
    title = f"Payload bytes / raw bytes, lower is better\n{title}"
    table = Table(title=title, box=box.SIMPLE_HEAD, padding=0)
    table.add_column("codec", no_wrap=True)
    for net in nets:
        table.add_column(net.replace("_", "\n"), justify="right")
    for column in ("mean", "encode kB/s", "decode kB/s")[: 3 if speeds else 1]:
        table.add_column(column, justify="right")
    for codec in codecs:
        row = [rates[codec, net] for net in nets]
        bold = [rate == lowest[net] for net, rate in zip(nets, row, strict=True)]
        own = [r for r in results if r.codec == codec]
        raw_kb = sum(r.raw_bytes for r in own) / 1e3
        cells = [
            codec,
            *(f"[bold]{r:.3f}[/]" if b else f"{r:.3f}" for r, b in zip(row, bold, strict=True)),
            f"{sum(row) / len(row):.3f}",
            speed(raw_kb, sum(r.encode_s for r in own)),
            speed(raw_kb, sum(r.decode_s for r in own)),
        ]
        table.add_row(*cells[: len(table.columns)])
    console.print(table)


def markdown(results: list[Result], title: str) -> str:
    """The rates as a table of markdown: a row a codec, a column a net, and the mean."""
    nets, codecs = names(results)
    rates = {(r.codec, r.net): r.rate for r in results}
    versions = {r.codec: r.version for r in results}
    lines = [f"| {title} | {' | '.join(nets)} | mean | version |", "|---" * (len(nets) + 3) + "|"]
    for codec in codecs:
        row = [rates[codec, net] for net in nets]
        shown = " | ".join(f"{rate:.4f}" for rate in (*row, sum(row) / len(row)))
        lines.append(f"| {codec} | {shown} | {versions[codec]} |")
    return "\n".join(lines) + "\n"


def speed(raw_kb: float, seconds: float) -> str:
    """Too short a time tells nothing."""
    if seconds < 0.05:
        return "-"
    return f"{raw_kb / seconds:,.2f}" if raw_kb / seconds < 10 else f"{raw_kb / seconds:,.0f}"


def draw(results: list[Result], path: Path) -> None:
    """Bars of rates, a panel a net."""
    nets, codecs = names(results)
    rates = {(r.codec, r.net): r.rate for r in results}
    size = (3.2 * len(nets) + 2, 0.3 * len(codecs) + 1.2)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(1, len(nets), sharey=True, squeeze=False)
    for net, panel in zip(nets, panels[0], strict=True):
        row = [rates[codec, net] for codec in codecs]
        colors = [COLORS.get(codec.split()[0], "tab:blue") for codec in codecs]
        bars = panel.barh(codecs, row, color=colors)
        panel.bar_label(bars, [f"{rate:.3f}" for rate in row], padding=2, fontsize=7)
        panel.axvline(1.0, color="grey", linewidth=0.6, zorder=0)
        panel.set_title(net)
        panel.set_xlim(0.0, 1.2 * max(*row, 1.0))
        panel.set_xlabel("payload / raw bytes")
    panels[0][0].invert_yaxis()
    figure.savefig(path, dpi=110)
