"""Does training with stages reach float32's loss? python benchmarks/convergence.py [--seeds N].

Trains a ResNet on digits and a GPT on bytes as two ranks would: each has half of a batch, its
gradient goes through the stages with what they left of the last step's, and both step by the sum.
Payloads are decoded and compared at each evaluation. Loss is that of data nobody trained on. Writes
convergence.json, .md and .png; runs that are there are kept.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import Tensor, nn

import lmgc_torch
from environment import environment
from gradients import digits, one_thread, resnet
from lmgc_torch import stages
from tasks import Batch, Gpt, library_text

RESULTS = Path(__file__).resolve().parent / "results"
RANKS = 2
EVALUATE = 25  # steps
PRESET = "fast"
LOST, SLOW = ", nothing fed back", ", under max"  # as METHODS say, but
FLOAT32 = "float32"
METHODS: dict[str, list[stages.Stage]] = {
    "8 bits": [stages.Quantize(8, scale="row")],
    "4 bits": [stages.Quantize(4, scale="row")],
    "4 bits, step a tensor": [stages.Quantize(4)],
    "3 bits": [stages.Quantize(3, scale="row")],
    "2 bits": [stages.Quantize(2, scale="row")],
    "sign": [stages.Sign(scale="row")],
    "top 1 %": [stages.TopK(share=0.01)],
    "random 1 %": [stages.RandomK(share=0.01)],
}
NAMES = [FLOAT32, *(name + lost for name in METHODS for lost in ("", LOST))]
NAMES += [name + SLOW for name in ("4 bits", "3 bits")]


@dataclass(frozen=True)
class Task:
    net: nn.Module
    optimizer: torch.optim.Optimizer
    draw: Callable[[], Batch]  # a rank's part of a batch
    unseen: Batch
    steps: int


def residual_net() -> Task:
    """The paper's relative on digits of 16 x 16; a fifth of them is kept for the loss."""
    images, labels = digits()
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    kept, rest = order[:360], order[360:]

    def draw() -> Batch:
        chosen = rest[torch.randint(0, len(rest), (32,))]
        return images[chosen], labels[chosen]

    net = resnet()
    optimizer = torch.optim.SGD(net.parameters(), 0.05, momentum=0.9, weight_decay=5e-4)
    return Task(net, optimizer, draw, (images[kept], labels[kept]), 300)


def language_model() -> Task:
    """Of bytes of Python's library; the loss is that of another part of it."""
    net = Gpt(width=96, heads=4, layers=2, context=64)
    optimizer = torch.optim.AdamW(net.parameters(), 1e-3)
    return Task(net, optimizer, library_text("asyncio/*.py", 8, 64), text_unseen(), 300)


def text_unseen() -> Batch:
    state = torch.get_rng_state()
    torch.manual_seed(0)
    batch = library_text("email/*.py", 64, 64)()
    torch.set_rng_state(state)
    return batch


TASKS: dict[str, Callable[[], Task]] = {"ResNet": residual_net, "GPT": language_model}


@dataclass(frozen=True)
class Run:
    task: str
    method: str
    seed: int
    values: int
    sent_bytes: int  # by one rank to the other, all steps
    steps: list[int]
    losses: list[float]  # of unseen data after these steps
    accuracy: float  # at the end

    @property
    def ratio(self) -> float:
        """How many times fewer bytes than float32."""
        return 4 * self.values * self.steps[-1] / self.sent_bytes


class Staging:
    """What ranks send of their gradients, and what each has left."""

    def __init__(self, method: str, shapes: list[torch.Size]) -> None:
        chain = METHODS[method.removesuffix(LOST).removesuffix(SLOW)]
        preset = "max" if method.endswith(SLOW) else PRESET
        self.codec = lmgc_torch.Codec(preset, shapes=shapes, stages=chain)  # equal on all ranks
        self.chain = stages.make_chain(chain)
        self.shapes = shapes
        self.left = torch.zeros(RANKS, sum(shape.numel() for shape in shapes))
        self.feeds_back = not method.endswith(LOST)
        self.sent_bytes = 0

    def send(self, gradient: Tensor, step: int, rank: int) -> Tensor:
        values = gradient + self.left[rank]
        staged = stages.stage_values(self.chain, values, self.shapes, 0, step, rank)
        payload = self.codec.encode(staged)
        self.sent_bytes += payload.numel()
        if step % EVALUATE == 0:
            received = self.codec.decode(payload)
            if not torch.equal(received.view(torch.int32), staged.values.view(torch.int32)):
                raise RuntimeError("a payload holds other values")
        if self.feeds_back:
            self.left[rank] = values - staged.values
        return staged.values


def loss_of(task: Task, batch: Batch, net: nn.Module | None = None) -> tuple[Tensor, Tensor]:
    """Loss and logits of the task's net, or of what wraps it."""
    logits = (net or task.net)(batch[0])
    return F.cross_entropy(logits.flatten(0, -2), batch[1].flatten()), logits


@torch.no_grad()
def unseen(task: Task) -> tuple[float, float]:
    """Loss and accuracy."""
    task.net.eval()
    loss, logits = loss_of(task, task.unseen)
    task.net.train()
    return loss.item(), (logits.argmax(-1) == task.unseen[1]).float().mean().item()


@one_thread()
def train(name: str, method: str, seed: int) -> Run:
    torch.manual_seed(seed)
    task = TASKS[name]()
    parameters = list(task.net.parameters())
    shapes = [parameter.shape for parameter in parameters]
    staging = None if method == FLOAT32 else Staging(method, shapes)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(task.optimizer, task.steps)
    run = Run(name, method, seed, sum(shape.numel() for shape in shapes), 0, [], [], 0.0)
    accuracy = 0.0
    for step in range(1, task.steps + 1):
        average = torch.zeros(run.values)
        for rank in range(RANKS):
            task.optimizer.zero_grad()
            loss_of(task, task.draw())[0].backward()  # type: ignore[no-untyped-call]
            own = torch.cat([p.grad.flatten() for p in parameters if p.grad is not None]) / RANKS
            average += own if staging is None else staging.send(own, step, rank)
        if staging is not None:
            staging.codec.observe(average)
        start = 0
        for parameter in parameters:
            gradient = average[start : start + parameter.numel()]
            parameter.grad = gradient.view_as(parameter).clone()
            start += parameter.numel()
        task.optimizer.step()
        schedule.step()
        if step % EVALUATE == 0:
            loss, accuracy = unseen(task)
            run.steps.append(step)
            run.losses.append(round(loss, 5))
    sent = 4 * run.values * task.steps if staging is None else staging.sent_bytes // RANKS
    return Run(**asdict(run) | {"sent_bytes": sent, "accuracy": round(accuracy, 4)})


def table(runs: list[Run]) -> str:
    """A row a method: final loss and bytes, means over seeds."""
    text = ""
    for task in TASKS:
        own = [run for run in runs if run.task == task]
        if not own:
            continue
        text += f"| {task} | final loss | seeds | accuracy | bytes, times fewer |\n"
        text += "|---|---|---|---|---|\n"
        for method in NAMES:
            some = [run for run in own if run.method == method]
            if not some:
                continue
            finals = [run.losses[-1] for run in some]
            spread = f"{min(finals):.3f} to {max(finals):.3f}"
            accuracy = statistics.fmean(run.accuracy for run in some)
            ratio = statistics.fmean(run.ratio for run in some)
            text += (
                f"| {method} | {statistics.fmean(finals):.3f} | {spread} | {accuracy:.3f} "
                f"| {ratio:.1f} |\n"
            )
        text += "\n"
    return text


def draw(runs: list[Run], path: Path) -> None:
    """A row a task: loss by step and by bytes, means over seeds."""
    figure = Figure(figsize=(13, 4.5 * len(TASKS)), layout="constrained")
    panels = figure.subplots(len(TASKS), 2, squeeze=False)
    for row, task in zip(panels, TASKS, strict=True):
        for index, method in enumerate([FLOAT32, *METHODS]):
            for lost, style in (("", "-"), (LOST, ":")):
                some = [r for r in runs if (r.task, r.method) == (task, method + lost)]
                if not some:
                    continue
                losses = [
                    statistics.fmean(at) for at in zip(*(r.losses for r in some), strict=True)
                ]
                each = statistics.fmean(r.sent_bytes / r.steps[-1] for r in some)
                label, color = method + lost, f"C{index}"
                row[0].plot(some[0].steps, losses, style, color=color, label=label)
                sent = [step * each / 1e6 for step in some[0].steps]
                row[1].plot(sent, losses, style, color=color, label=label)
        row[0].set_xlabel("step")
        row[1].set_xlabel("MB sent by a rank")
        row[1].set_xscale("log")
        for panel in row:
            panel.set_title(task)
            panel.set_ylabel("loss of unseen data")
            panel.set_yscale("log")
            panel.grid(alpha=0.3)
        row[0].legend(fontsize=7)
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    console = Console()
    file = options.output / "convergence.json"
    runs = [Run(**run) for run in json.loads(file.read_text())["runs"]] if file.exists() else []
    known = {(run.task, run.method, run.seed) for run in runs}
    todo = [
        key
        for seed in range(1, options.seeds + 1)
        for task in TASKS
        for method in NAMES
        if (key := (task, method, seed)) not in known
    ]
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console) as progress:
        bar = progress.add_task("", total=len(todo))
        for task, method, seed in todo:
            progress.update(bar, description=f"{task}, {method}, seed {seed}")
            runs.append(train(task, method, seed))
            report = {"environment": environment(("torch", "lmgc_torch")), "ranks": RANKS}
            lines = ",\n".join(f"  {json.dumps(asdict(run))}" for run in runs)
            head = json.dumps(report, indent=1).removesuffix("\n}")
            file.write_text(f'{head},\n "runs": [\n{lines}\n ]\n}}\n')
            progress.advance(bar)
    text = table(runs)
    console.print(text, markup=False, soft_wrap=True)
    file.with_suffix(".md").write_text(text)
    draw(runs, file.with_suffix(".png"))


if __name__ == "__main__":
    main()
