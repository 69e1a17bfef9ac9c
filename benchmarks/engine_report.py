"""The engine's speed as a table and a plot."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure


@dataclass(frozen=True)
class Encoding:
    """Teacher-forced windows side by side."""

    window: int
    lanes: int
    tokens_per_s: float
    share_of_peak: float  # of the int8 products that the machine could do


@dataclass(frozen=True)
class Decoding:
    """One token of each lane, in the middle of a window."""

    lanes: int
    window: int
    tokens_per_s: float


@dataclass(frozen=True)
class Payload:
    """A gradient that was encoded, decoded and compared bit for bit."""

    serialization: str
    window: int
    raw_bytes: int
    payload_bytes: int
    encode_bytes_per_s: float
    decode_bytes_per_s: float


@dataclass(frozen=True)
class Report:
    device: str
    kernels: str
    threads: int
    peak_products_per_s: float
    peak_by: str
    encodings: list[Encoding]
    decodings: list[Decoding]
    payloads: list[Payload]
    peer_window: int
    transformers_tokens_per_s: dict[str, float]
    tokens_per_s_by_threads: dict[int, float]


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---:"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def markdown(report: Report) -> str:
    encoded = {one.window: one.tokens_per_s for one in report.encodings}
    parts = [
        f"{report.device}, {report.kernels} kernels, {report.threads} threads. Fastest int8 "
        f"product here: {report.peak_products_per_s / 1e9:,.0f} G multiply-adds/s "
        f"({report.peak_by}).\n",
        table(
            ["window", "lanes", "tokens/s", "of peak"],
            [
                [f"{e.window}", f"{e.lanes}", f"{e.tokens_per_s:,.0f}", f"{e.share_of_peak:.2f}"]
                for e in report.encodings
            ],
        ),
        table(
            ["lanes in lockstep", "window", "tokens/s", "of encode"],
            [
                [
                    f"{d.lanes}",
                    f"{d.window}",
                    f"{d.tokens_per_s:,.0f}",
                    f"{d.tokens_per_s / encoded[d.window]:.2f}",
                ]
                for d in report.decodings
            ],
        ),
        table(
            ["payload", "window", "values' bytes", "rate", "encode kB/s", "decode kB/s"],
            [
                [
                    p.serialization,
                    f"{p.window}",
                    f"{p.raw_bytes:,}",
                    f"{p.payload_bytes / p.raw_bytes:.3f}",
                    f"{p.encode_bytes_per_s / 1e3:,.1f}",
                    f"{p.decode_bytes_per_s / 1e3:,.1f}",
                ]
                for p in report.payloads
            ],
        ),
    ]
    if report.transformers_tokens_per_s:
        parts.append(
            table(
                [f"transformers, windows of {report.peer_window}", "tokens/s", "ours to it"],
                [
                    [name, f"{rate:,.0f}", f"{encoded[report.peer_window] / rate:.2f}"]
                    for name, rate in report.transformers_tokens_per_s.items()
                ],
            )
        )
    if report.tokens_per_s_by_threads:
        one = report.tokens_per_s_by_threads[1]
        parts.append(
            table(
                ["threads", "tokens/s", "to one"],
                [
                    [f"{threads}", f"{rate:,.0f}", f"{rate / one:.2f}"]
                    for threads, rate in report.tokens_per_s_by_threads.items()
                ],
            )
        )
    return "\n".join(parts)


def draw(report: Report, file: Path) -> None:
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    windows, lanes = figure.subplots(1, 2)
    windows.plot(
        [e.window for e in report.encodings], [e.tokens_per_s for e in report.encodings], "o-"
    )
    windows.set(xlabel="window, tokens", ylabel="encode, tokens/s", xscale="log", ylim=(0, None))
    for window in sorted({d.window for d in report.decodings}):
        points = [d for d in report.decodings if d.window == window]
        lanes.plot(
            [d.lanes for d in points],
            [d.tokens_per_s for d in points],
            "o-",
            label=f"windows of {window}",
        )
    lanes.legend()
    lanes.set(xlabel="lanes in lockstep", ylabel="decode, tokens/s", xscale="log", yscale="log")
    figure.suptitle(f"{report.device}, {report.kernels}")
    figure.savefig(file, dpi=120)
