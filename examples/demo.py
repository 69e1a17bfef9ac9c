"""Two processes train on digits; their gradients travel compressed, and nothing else changes.

    python examples/demo.py [--steps 40] [--paper-steps 2]

Each preset trains once through lmgc_torch and once with plain DDP, and the parameters must be
equal bit for bit. The lines to copy are in `train`.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.distributed as dist
import torch.nn.functional as F
from matplotlib.figure import Figure
from rich import box
from rich.console import Console
from rich.live import Live
from rich.table import Table
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.multiprocessing.spawn import spawn
from torch.nn.parallel import DistributedDataParallel

import lmgc_torch
from lmgc_torch import Counters

WORLD_SIZE = 2
BATCH = 32
PAST = 10  # steps that the plot of layers looks back
RESULTS = Path("demo-results")
COLUMNS = (
    "step",
    "loss",
    "raw bytes",
    "sent bytes",
    "rate",
    "encode s",
    "wire s",
    "decode s",
    "learn s",
)


@dataclass(frozen=True)
class Run:
    """One training: through lmgc_torch with `preset`, or with plain DDP if that is None."""

    net: Callable[[], nn.Module]
    steps: int
    preset: str | None
    folder: str  # where the processes meet and leave their parameters


def train(rank: int, run: Run) -> None:
    """What each process does. Only the line with `register` has to do with compression."""
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // WORLD_SIZE))
    torch.manual_seed(0)
    meeting = f"file://{run.folder}/{run.preset}.meeting"
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=WORLD_SIZE)

    model = DistributedDataParallel(run.net())
    handle = lmgc_torch.register(model, preset=run.preset) if run.preset else None
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)

    averages: deque[list[Tensor]] = deque(maxlen=PAST + 1)
    images, labels = digits()
    drawing = torch.Generator().manual_seed(rank)  # other images on each rank
    with StepTable(run, visible=rank == 0 and handle is not None) as table:
        for _ in range(run.steps):
            batch = torch.randint(0, len(images), (BATCH,), generator=drawing)
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images[batch]), labels[batch])
            loss.backward()  # type: ignore[no-untyped-call]  # here gradients travel
            averages.append([p.grad.clone() for p in model.parameters() if p.grad is not None])
            optimizer.step()
            if handle is not None:
                table.add(loss.item(), handle.stats(reset=True).total)

    left = {
        name: (p.detach(), [step[i] for step in averages])
        for i, (name, p) in enumerate(model.module.named_parameters())
    }
    torch.save(left, f"{run.folder}/{run.preset}.{rank}.pt")
    dist.destroy_process_group()


def digits() -> tuple[Tensor, Tensor]:
    """Images [1797, 1, 8, 8] between 0 and 1, labels [1797]."""
    images, labels = load_digits(return_X_y=True)
    return torch.from_numpy(images).float().view(-1, 1, 8, 8) / 16, torch.from_numpy(labels).long()


def tiny_net() -> nn.Module:
    """350 parameters, because a language model reads nine symbols for each, and that takes time."""
    conv = (nn.Conv2d(1, 2, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(2))
    return nn.Sequential(*conv, nn.Flatten(), nn.Linear(32, 10))


def small_net() -> nn.Module:
    """85,066 parameters."""
    first = (nn.Conv2d(1, 32, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(2))
    second = (nn.Conv2d(32, 64, 3, 1, 1), nn.ReLU(), nn.Flatten())
    return nn.Sequential(*first, *second, nn.Linear(1024, 64), nn.ReLU(), nn.Linear(64, 10))


class StepTable:
    """A live table of the last steps and their sum; without a terminal, printed at the end."""

    ROWS = 10

    def __init__(self, run: Run, visible: bool) -> None:
        self.run = run
        self.rows: list[list[str]] = []
        self.total = Counters()
        self.live = Live(console=Console(quiet=not visible), auto_refresh=False)

    def __enter__(self) -> StepTable:
        self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.live.stop()
        self.live.console.print()

    def add(self, loss: float, counters: Counters) -> None:
        step = len(self.rows) + 1
        self.rows.append([f"{step}", f"{loss:.4f}", *cells(counters)])
        self.total += counters
        parameters = sum(p.numel() for p in self.run.net().parameters())
        title = (
            f"preset {self.run.preset}: {parameters:,} parameters, {WORLD_SIZE} processes, rank 0"
        )
        caption = "rate = payload bytes / raw bytes, lower is better"
        table = Table(title=title, caption=caption, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
        for name in COLUMNS:
            table.add_column(name, justify="right")
        for row in self.rows[-self.ROWS :]:
            table.add_row(*row)
        table.add_section()
        table.add_row(f"all {step}", "", *cells(self.total), style="bold")
        self.live.update(table, refresh=True)


def cells(c: Counters) -> list[str]:
    seconds = (c.encode_seconds, c.wire_seconds, c.decode_seconds, c.observe_seconds)
    bytes_and_rate = [f"{c.raw_bytes:,}", f"{c.sent_bytes:,}", f"{c.rate:.3f}"]
    return [*bytes_and_rate, *(f"{s:.3f}" for s in seconds)]


def launch(run: Run) -> list[dict[str, tuple[Tensor, list[Tensor]]]]:
    """For each rank, name of parameter -> (its value after training, its last gradients)."""
    spawn(train, (run,), nprocs=WORLD_SIZE)  # type: ignore[no-untyped-call]
    return [torch.load(f"{run.folder}/{run.preset}.{rank}.pt") for rank in range(WORLD_SIZE)]


def same_bits(a: Tensor, b: Tensor) -> bool:
    return torch.equal(a.flatten().view(torch.uint8), b.flatten().view(torch.uint8))


def draw_layers(preset: str, gradients: dict[str, list[Tensor]]) -> Path:
    """Plots the rate of each parameter's last gradient, compressed alone after those before it."""
    rates = {}
    for name, (*past, last) in gradients.items():
        codec = lmgc_torch.Codec(preset, shapes=[last.shape])
        for average in past:
            codec.observe(average)
        rates[f"{name}\n{last.numel():,} values"] = codec.encode(last).numel() / last.nbytes
    figure = Figure(figsize=(8, 0.5 * len(rates) + 1.5), layout="constrained")
    axes = figure.subplots()
    axes.bar_label(axes.barh(list(rates), list(rates.values())), fmt="%.3f", padding=3)
    axes.axvline(1.0, color="grey", linewidth=0.8, zorder=0)
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.set_xlabel(
        "payload bytes / raw bytes, each parameter alone; in small ones the header shows"
    )
    axes.set_title(f"preset {preset}")
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"rates-{preset}.png"
    figure.savefig(path, dpi=120)
    return path


def compare(run: Run, console: Console) -> bool:
    """Trains with and without the hook; tells whether all ranks end with the same bits."""
    hooked = launch(run)
    with console.status("The same with plain DDP"):
        plain = launch(replace(run, preset=None))
    equal = all(
        same_bits(parameters[name][0], value)
        for parameters in (*hooked, plain[1])
        for name, (value, _) in plain[0].items()
    )
    verdict = "[green]equal bit for bit[/]" if equal else "[red]NOT equal[/]"
    console.print(f"After {run.steps} steps, parameters of both ranks and of plain DDP: {verdict}.")
    gradients = {name: grads for name, (_, grads) in hooked[0].items()}
    zeros = sum(int((last == 0).sum()) for *_, last in gradients.values())
    share = zeros / sum(last.numel() for *_, last in gradients.values())
    console.print(f"{share:.0%} of the last gradient's values are exact zeros, from units at rest.")
    with console.status("Rates of each layer"):
        path = draw_layers(str(run.preset), gradients)
    console.print(f"Rates of each layer: {path}\n")
    return equal


def model_is_here(console: Console) -> bool:
    """Loads the language model once, so that both processes find it converted."""
    try:
        with console.status("Loading the language model"):
            lmgc_torch.Codec(preset="paper")
    except FileNotFoundError as error:
        console.print(f"[yellow]No run with preset paper:[/] {error}\n")
        return False
    return True


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=40, help="steps under preset balanced")
    parser.add_argument("--paper-steps", type=int, default=2, help="steps under preset paper")
    options = parser.parse_args()

    console = Console()
    equal = True
    with tempfile.TemporaryDirectory() as folder:
        if options.paper_steps and model_is_here(console):
            equal &= compare(Run(tiny_net, options.paper_steps, "paper", folder), console)
    with tempfile.TemporaryDirectory() as folder:
        equal &= compare(Run(small_net, options.steps, "balanced", folder), console)
    return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main())
