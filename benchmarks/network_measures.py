"""What the simulation takes from network.json: work, and the cost of codecs and of sending."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from methods import BASELINE
from network_cells import Cell, Layout, Record, Timeline
from simulation import Codec, Workload

PARTS = ("encode_seconds", "decode_seconds", "observe_seconds")


@dataclass(frozen=True)
class Measures:
    """Of one net and layout."""

    cells: list[Cell]
    workload: Workload
    cores: float  # of a rank
    cpu_s_per_byte: float  # of sending: what plain DDP's step takes more than one without exchange
    codecs: dict[str, Codec]

    @classmethod
    def of(cls, record: Record, task: str, layout: Layout) -> Measures:
        cells = [
            cell for cell in record.cells
            if (cell.task, cell.layout) == (task, layout) and not cell.failure
        ]  # fmt: skip
        timeline = next(
            line for line in record.timelines if (line.task, line.layout) == (task, layout)
        )
        plain = [cell for cell in cells if cell.method == BASELINE]
        sending_s = statistics.median(cell.cpu_s for cell in plain) - timeline.cpu_s
        sent_bytes = statistics.median(cell.sent_bytes for cell in plain)
        cpu_s_per_byte = max(0.0, sending_s / sent_bytes)
        methods = dict.fromkeys(cell.method for cell in cells if cell.buckets)
        return cls(
            cells=cells,
            workload=workload_of(timeline),
            cores=record.about["environment"]["cores"] / layout.ranks,
            cpu_s_per_byte=cpu_s_per_byte,
            codecs={
                method: codec_of(
                    [cell for cell in cells if cell.method == method], timeline, cpu_s_per_byte
                )
                for method in methods
            },
        )


def workload_of(timeline: Timeline) -> Workload:
    """The step's core seconds, spread as its time was."""
    core_share = timeline.cpu_s / timeline.step_s
    ready = [seconds for seconds, _ in timeline.ready]
    before = [after - start for start, after in zip([0.0, *ready[:-1]], ready, strict=True)]
    return Workload(
        bucket_bytes=tuple(size for _, size in timeline.ready),
        before_s=tuple(seconds * core_share for seconds in before),
        after_s=max(0.0, timeline.step_s - ready[-1]) * core_share,
    )


def codec_of(cells: list[Cell], timeline: Timeline, cpu_s_per_byte: float) -> Codec:
    """Core seconds beyond those of the net and of sending, split as the hook's clocks tell."""

    def median(name: str) -> float:
        return statistics.median(sum(bucket[name] for bucket in cell.buckets) for cell in cells)

    ranks, raw_bytes = timeline.layout.ranks, median("raw_bytes")
    decoded_bytes = raw_bytes * (1.0 if ranks == 2 else 2 * (ranks - 1) / ranks)
    cpu_s = statistics.median(
        cell.cpu_s - timeline.cpu_s - cpu_s_per_byte * cell.sent_bytes for cell in cells
    )
    clocks = {part: median(part) for part in PARTS}
    # A clock runs on while its thread waits for a core: never more core seconds than that.
    share = min(1.0, max(0.0, cpu_s) / sum(clocks.values()))
    return Codec(
        rate=median("payload_bytes") / raw_bytes,
        encode_s=share * clocks["encode_seconds"] / raw_bytes,
        decode_s=share * clocks["decode_seconds"] / decoded_bytes,
        observe_s=share * clocks["observe_seconds"] / raw_bytes,
    )
