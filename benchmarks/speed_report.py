"""Speeds as a table on screen, as markdown and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table

COLUMNS = (
    "gradient", "dtype", "threads", "codec", "rate", "encode MB/s", "to zipnn", "decode MB/s",
    "to zipnn", "observe MB/s", "slowest", "warm-up",
)  # fmt: skip
CASE_COLUMNS = 3
LEAST_PROCESSORS = 0.9  # fewer: the machine was not ours
NOTE = (
    "MB of gradient a second: of processor time on one thread, of the clock on two. Observe: "
    "mean of 16 steps after the warm-up, their slowest, and the mean of the warm-up's own steps. "
    "Zipnn writes into its input; its copy is not timed."
)
MEMORY_NOTE = (
    "Memory beside the gradient, in sizes of the gradient: what the history keeps, and what each "
    "call needs at its peak above what was there before, its result included. Tables of "
    "probabilities, which all codecs of a process share (0.2 MB each, at most 64), are there "
    "before."
)


@dataclass(frozen=True)
class Speed:
    """Seconds of one codec on one gradient; each payload was decoded and compared bit for bit."""

    sequence: str
    dtype: str
    threads: int
    codec: str
    version: str
    raw_bytes: int
    payload_bytes: int
    rounds: int
    processors: float  # that all codecs of the case had on average
    encode_s: float
    decode_s: float
    observe_s: float  # 0.0: it has nothing to observe
    slowest_observe_s: float
    warm_up_s: float

    @property
    def case(self) -> tuple[str, str, int]:
        return self.sequence, self.dtype, self.threads

    def rate_of(self, seconds: float) -> str:
        return f"{self.raw_bytes / seconds / 1e6:,.0f}" if seconds else ""


def rows(speeds: list[Speed], baseline: str) -> list[list[str]]:
    base = {speed.case: speed for speed in speeds if speed.codec == baseline}
    return [
        [
            speed.sequence,
            speed.dtype,
            f"{speed.threads} thread{'s' if speed.threads > 1 else ''}",
            speed.codec,
            f"{speed.payload_bytes / speed.raw_bytes:.3f}",
            speed.rate_of(speed.encode_s),
            f"{base[speed.case].encode_s / speed.encode_s:.2f}",
            speed.rate_of(speed.decode_s),
            f"{base[speed.case].decode_s / speed.decode_s:.2f}",
            *map(speed.rate_of, (speed.observe_s, speed.slowest_observe_s, speed.warm_up_s)),
        ]
        for speed in speeds
    ]


def markdown(columns: tuple[str, ...], lines: list[list[str]]) -> str:
    head = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    return "\n".join([*head, *(f"| {' | '.join(line)} |" for line in lines)]) + "\n"


def show_speeds(speeds: list[Speed], baseline: str, console: Console) -> str:
    """A table a case; all in one as markdown."""
    lines = rows(speeds, baseline)
    for case in dict.fromkeys(tuple(line[:CASE_COLUMNS]) for line in lines):
        table = Table(title=", ".join(case), box=box.SIMPLE_HEAD, padding=0)
        for column in COLUMNS[CASE_COLUMNS:]:
            table.add_column(column.replace(" ", "\n"), no_wrap=column == "codec")
        for line in lines:
            if tuple(line[:CASE_COLUMNS]) == case:
                table.add_row(*line[CASE_COLUMNS:])
        console.print(table)
    console.print(NOTE, style="dim")
    if any(speed.processors < LEAST_PROCESSORS for speed in speeds):
        console.print("Others used the machine meanwhile: measure again for results.", style="red")
    return markdown(COLUMNS, lines) + f"\n{NOTE}\n\n"


def show_peaks(peaks: Mapping[str, Mapping[str, float]], console: Console) -> str:
    columns = ("memory", *next(iter(peaks.values()), {}))
    text = markdown(columns, [[name, *map(str, peak.values())] for name, peak in peaks.items()])
    console.print(text, MEMORY_NOTE, markup=False, soft_wrap=True)
    return f"{text}\n{MEMORY_NOTE}\n\n"


def show_claims(rows: list[list[str]], console: Console) -> str:
    text = markdown(("worst case", "to reach", "measured", "where", ""), rows)
    console.print(text, markup=False, soft_wrap=True)
    return text
