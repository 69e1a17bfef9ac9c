"""What stages leave to send: python benchmarks/stages.py FOLDER [--presets ...].

The paper's figure 4 in our terms: the last step of each sequence in FOLDER (sequences.py) goes
through a stage, after the codec has observed what the stage made of the steps before, and is coded:
beside the stage's plain form (integers of so many bits and a float32 a step; or places of 32 bits
and values), zstd-19 and LZMA on the same integers or places and values, float16, and PowerSGD's
factors of rank 4. Every payload is decoded and compared bit for bit. Writes stages.json and .md;
what is there is kept. With --values N the first rows of each sequence's largest matrix are all
there is, at least N values: for --presets paper, which is slow; writes stages-N.json and .md.
"""

from __future__ import annotations

import argparse
import json
import lzma
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import zstandard
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

import lmgc_torch
from environment import environment
from lmgc_torch import stages
from sequences import Sequence, Shapes, load

RESULTS = Path(__file__).resolve().parent / "results"
PACKAGES = ("torch", "lmgc_torch", "numpy", "zstandard")
RANK = 4


@dataclass(frozen=True)
class Case:
    stage: stages.Stage
    bits: int = 0  # of an integer in its plain form
    goal: float | None = None  # payload / plain form, at most


CASES = {
    "8 bits, tensor": Case(stages.Quantize(8), 8, 0.55),
    "8 bits, row": Case(stages.Quantize(8, scale="row"), 8, 0.75),
    "4 bits, tensor": Case(stages.Quantize(4), 4, 0.30),
    "4 bits, row": Case(stages.Quantize(4, scale="row"), 4, 0.50),
    "4 bits, row, stochastic": Case(stages.Quantize(4, scale="row", rounding="stochastic"), 4),
    "4 bits, block of 256": Case(stages.Quantize(4, scale="block"), 4),
    "2 bits, row": Case(stages.Quantize(2, scale="row"), 2),
    "sign, row": Case(stages.Sign(scale="row"), 1),
    "top 1 %, tensor": Case(stages.TopK(share=0.01), goal=0.50),
    "top 1 %, bucket": Case(stages.TopK(share=0.01, per="bucket"), goal=0.50),
    "random 1 %": Case(stages.RandomK(share=0.01)),
    "bfloat16": Case(stages.Cast()),
}


@dataclass(frozen=True)
class Result:
    sequence: str
    stage: str
    preset: str
    values: int
    payload_bytes: int
    no_history_bytes: int
    plain_bytes: int
    zstd_bytes: int
    lzma_bytes: int
    fp16_bytes: int
    power_sgd_bytes: int

    @property
    def rate(self) -> float:
        """Payload / plain form."""
        return self.payload_bytes / self.plain_bytes

    @property
    def bits(self) -> float:
        return 8 * self.payload_bytes / self.values


def tensor(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.array(values))


def packed(integers: np.ndarray, bits: int) -> bytes:
    """Integers of so many bits, without gaps; a zero among signs counts as one of them."""
    if bits == 8:
        return integers.tobytes()
    low = (integers > 0) if bits == 1 else integers.astype(np.uint8) & (2**bits - 1)
    unpacked = np.unpackbits(low.astype(np.uint8)[:, None], axis=1)[:, -bits:]
    return np.packbits(unpacked).tobytes()


def forms(staged: lmgc_torch.Staged, case: Case) -> tuple[int, list[bytes]]:
    """Bytes of the plain form, and what general compressors are given instead: the best counts."""
    if staged.integers is not None and staged.steps is not None:
        integers = staged.integers.numpy()
        steps = staged.steps.numpy().tobytes()
        plain = math.ceil(len(integers) * case.bits / 8) + 4 * len(staged.steps)
        return plain, [integers.tobytes() + steps, packed(integers, case.bits) + steps]
    if staged.kept is not None:
        places = staged.kept.numpy()
        values = staged.values[staged.kept].numpy()
        if isinstance(case.stage, stages.RandomK):
            return values.nbytes, [values.tobytes()]
        gaps = np.diff(places, prepend=0).astype(np.int32)
        shuffled = values.view(np.uint8).reshape(-1, 4).T.tobytes()
        return 8 * len(places), [
            places.astype(np.int32).tobytes() + values.tobytes(),
            gaps.view(np.uint8).reshape(-1, 4).T.tobytes() + shuffled,
        ]
    raw = staged.values.view(torch.uint8).numpy()
    return raw.nbytes, [raw.tobytes(), raw.reshape(-1, staged.values.itemsize).T.tobytes()]


def first_rows(sequence: Sequence, values: int) -> Sequence:
    """Of the largest matrix, as many as have that many values."""
    sizes = [math.prod(shape) for shape in sequence.shapes]
    largest = int(np.argmax(sizes))
    rows, *others = sequence.shapes[largest]
    width = math.prod(others)
    rows = min(rows, math.ceil(values / width))
    start = sum(sizes[:largest])
    return Sequence(
        sequence.name, [(rows, *others)], sequence.steps[:, start : start + rows * width]
    )


def power_sgd_bytes(shapes: Shapes) -> int:
    """Of both factors of matrices for which they are fewer values; others go as they are."""
    values = 0
    for shape in shapes:
        count = math.prod(shape)
        rows = shape[0] if len(shape) > 1 else 1
        factors = RANK * (rows + count // max(rows, 1))
        values += factors if len(shape) > 1 and 2 * factors < count else count
    return 4 * values


def measure(sequence: Sequence, name: str, preset: str) -> Result:
    case = CASES[name]
    codec = lmgc_torch.Codec(preset, shapes=sequence.shapes, stages=[case.stage])
    learns = preset != "paper"
    no_history = codec.encode(tensor(sequence.gradient)).numel() if learns else 0
    for past in sequence.past if learns else ():
        codec.observe(codec.stage(tensor(past)).values)
    staged = codec.stage(tensor(sequence.gradient))
    payload = codec.encode(staged)
    if not torch.equal(codec.decode(payload).view(torch.uint8), staged.values.view(torch.uint8)):
        raise RuntimeError(f"{preset} changes {sequence.name} after {name}")
    plain, given = forms(staged, case)
    zstd = zstandard.ZstdCompressor(level=19)
    return Result(
        sequence.name, name, preset, staged.values.numel(), payload.numel(),
        no_history or payload.numel(), plain,
        min(len(zstd.compress(raw)) for raw in given),
        min(len(lzma.compress(raw, preset=9)) for raw in given),
        2 * staged.values.numel(), power_sgd_bytes(sequence.shapes),
    )  # fmt: skip


def table(results: list[Result], preset: str) -> str:
    """Payload / plain form: a row a stage, a column a sequence; then what others take, as means."""
    own = [result for result in results if result.preset == preset]
    names = list(dict.fromkeys(result.sequence for result in own))
    text = (
        f"| {preset}: payload / plain form | {' | '.join(names)} | mean | to reach | bits a value "
    )
    text += "| no history | zstd-19 | LZMA | float16 | PowerSGD rank 4 |\n"
    text += "|---" * (len(names) + 9) + "|\n"
    for stage, case in CASES.items():
        row = {result.sequence: result for result in own if result.stage == stage}
        if set(row) != set(names):
            continue

        def mean(field: str, row: dict[str, Result] = row) -> str:
            shares = [getattr(one, field) / one.plain_bytes for one in row.values()]
            return f"{sum(shares) / len(shares):.3f}"

        shown = [f"{one.rate:.3f}" + "*" * beaten(one) for one in (row[name] for name in names)]
        bits = sum(one.bits for one in row.values()) / len(row)
        goal = "" if case.goal is None else f"{case.goal:.2f}"
        cells = [stage, *shown, mean("payload_bytes"), goal, f"{bits:.2f}"]
        others = ("no_history_bytes", "zstd_bytes", "lzma_bytes", "fp16_bytes", "power_sgd_bytes")
        text += f"| {' | '.join([*cells, *map(mean, others)])} |\n"
    return text + "\n\\* zstd-19 or LZMA is as small.\n\n"


def beaten(result: Result) -> bool:
    return min(result.zstd_bytes, result.lzma_bytes) <= result.payload_bytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--presets", nargs="*", default=["fast", "max"])
    parser.add_argument("--values", type=int, help="of each sequence, for slow presets")
    options = parser.parse_args()
    console = Console(width=200)
    name = "stages" if options.values is None else f"stages-{options.values}"
    file = options.output / f"{name}.json"
    sequences = load(options.folder)
    if options.values is not None:
        sequences = [first_rows(sequence, options.values) for sequence in sequences]
    stored = json.loads(file.read_text())["results"] if file.exists() else []
    results = [Result(**result) for result in stored]
    known = {(result.sequence, result.stage, result.preset) for result in results}
    todo = [
        (sequence, name, preset)
        for preset in options.presets
        for sequence in sequences
        for name in CASES
        if (sequence.name, name, preset) not in known
    ]
    with Progress(TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()) as progress:
        bar = progress.add_task("", total=len(todo))
        for sequence, name, preset in todo:
            progress.update(bar, description=f"{sequence.name}, {name}, {preset}")
            results.append(measure(sequence, name, preset))
            report = {"environment": environment(PACKAGES), "results": [asdict(r) for r in results]}
            file.write_text(json.dumps(report, indent=1) + "\n")
            progress.advance(bar)
    text = "".join(table(results, preset) for preset in options.presets)
    console.print(text, markup=False, soft_wrap=True)
    file.with_suffix(".md").write_text(text)


if __name__ == "__main__":
    main()
