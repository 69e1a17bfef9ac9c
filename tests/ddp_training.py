"""Small seeded nets, trained the same way with and without the hook."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

import lmgc_torch

STEPS = 20
WIDTH = 12


class Branches(nn.Module):
    """Uses another branch in each step and rank, and one parameter never."""

    def __init__(self) -> None:
        super().__init__()
        self.branches = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(3))
        self.never = nn.Linear(WIDTH, WIDTH)
        self.head = nn.Linear(WIDTH, 3)

    def forward(self, x: torch.Tensor, turn: int) -> torch.Tensor:
        return self.head(self.branches[turn % 3](x).tanh())


class Mixed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(WIDTH, 40)
        self.second = nn.Linear(40, 40).bfloat16()
        self.third = nn.Linear(40, 3)

    def forward(self, x: torch.Tensor, turn: int) -> torch.Tensor:
        return self.third(self.second(self.first(x).tanh().bfloat16()).tanh().float())


class Plain(nn.Module):
    """With buffers, which DDP broadcasts on its own group."""

    def __init__(self) -> None:
        super().__init__()
        layers = [nn.Linear(WIDTH, 64), nn.BatchNorm1d(64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh()]
        self.layers = nn.Sequential(*layers, nn.Linear(64, 3))

    def forward(self, x: torch.Tensor, turn: int) -> torch.Tensor:
        return self.layers(x)


class Special(nn.Module):
    """Its gradient holds the values that arithmetic treats specially, other pairs on each rank."""

    VALUES = (0.0, -0.0, 1e-45, -1e-39, 1.17549435e-38, 3.4e38, -3.4e38, 1.0)
    ODD = (float("inf"), float("-inf"), float("nan"))

    def __init__(self) -> None:
        super().__init__()
        values = torch.tensor(self.VALUES + self.ODD).repeat_interleave(11)
        self.weight = nn.Parameter(torch.ones(len(values)))
        own = values if dist.get_rank() == 0 else values.view(11, 11).t().flatten()
        self.weight.register_hook(lambda gradient: own.clone())

    def forward(self, x: torch.Tensor, turn: int) -> torch.Tensor:
        return self.weight


class Wide(nn.Module):
    """With parameters that have history."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(WIDTH, 90), nn.Tanh(), nn.Linear(90, 70), nn.Tanh())
        self.head = nn.Linear(70, 3)

    def forward(self, x: torch.Tensor, turn: int) -> torch.Tensor:
        return self.head(self.layers(x))


class Hollow(nn.Module):
    """With a parameter of no values in a bucket of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(WIDTH, 3)
        self.nothing = nn.Parameter(torch.empty(0, 7, dtype=torch.float64))

    def forward(self, x: torch.Tensor, turn: int) -> torch.Tensor:
        return self.first(x) + self.nothing.sum()


class Deep(nn.Module):
    """Its bucket is averaged in several units."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(WIDTH, 700)
        self.middle = nn.Sequential(*(nn.Linear(700, 700) for _ in range(5)))
        self.head = nn.Linear(700, 3)

    def forward(self, x: torch.Tensor, turn: int) -> torch.Tensor:
        return self.head(self.middle(self.first(x)))


@dataclass(frozen=True)
class Case:
    net: Callable[[], nn.Module] = Plain
    device: str = "cpu"
    ddp: dict[str, Any] = field(default_factory=dict)
    accumulate: int = 1
    uneven: bool = False
    preset: str = "fast"


CASES = {
    "plain": Case(),
    "bucket_view": Case(ddp={"gradient_as_bucket_view": True}),
    "no_sync": Case(accumulate=3),
    "no_sync_bucket_view": Case(accumulate=3, ddp={"gradient_as_bucket_view": True}),
    "unused": Case(net=Branches, ddp={"find_unused_parameters": True, "bucket_cap_mb": 0.0005}),
    "unused_bucket_view": Case(
        net=Branches, ddp={"find_unused_parameters": True, "gradient_as_bucket_view": True}
    ),
    "static_graph": Case(ddp={"static_graph": True, "bucket_cap_mb": 0.002}),
    "small_buckets": Case(ddp={"bucket_cap_mb": 0.0005}),
    "join": Case(uneven=True),
    "join_bucket_view": Case(
        uneven=True, ddp={"gradient_as_bucket_view": True, "bucket_cap_mb": 0.002}
    ),
    "mixed": Case(net=Mixed),
    "special": Case(net=Special),
    "balanced": Case(net=Wide, preset="balanced"),
    "max": Case(net=Wide, preset="max", ddp={"bucket_cap_mb": 0.002}),
    "units": Case(net=Deep),
    "empty": Case(net=Hollow, ddp={"bucket_cap_mb": 0.00001}),
}


def bits(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().clone().contiguous().view(torch.uint8)


def data(rank: int, step: int) -> torch.Tensor:
    return torch.randn(16, WIDTH, generator=torch.Generator().manual_seed(1000 * rank + step))


def train(
    case: Case, group: dist.ProcessGroup | None, hooked: bool, steps: int = STEPS
) -> tuple[list[torch.Tensor | None], lmgc_torch.Stats | None]:
    """Bits of every gradient after every step and of all parameters at the end."""
    torch.manual_seed(0)
    ddp = DistributedDataParallel(case.net().to(case.device), process_group=group, **case.ddp)
    handle = lmgc_torch.register(ddp, case.preset) if hooked else None
    optimizer = torch.optim.SGD(ddp.parameters(), lr=0.05, momentum=0.9)
    rank = dist.get_rank()
    trace: list[torch.Tensor | None] = []
    with ddp.join() if case.uneven else nullcontext():
        for step in range(steps - 4 * rank if case.uneven else steps):
            optimizer.zero_grad()
            for micro in range(case.accumulate):
                last = micro == case.accumulate - 1
                with nullcontext() if last else ddp.no_sync():
                    inputs = data(rank, step * 10 + micro).to(case.device)
                    ddp(inputs, step + rank + micro).square().mean().backward()
            trace += [None if p.grad is None else bits(p.grad) for p in ddp.parameters()]
            optimizer.step()
    trace += [bits(parameter) for parameter in ddp.parameters()]
    return trace, handle.stats() if handle else None


def same(one: list[torch.Tensor | None], other: list[torch.Tensor | None]) -> bool:
    def pairs() -> Iterator[bool]:
        for a, b in zip(one, other, strict=True):
            yield (a is None) == (b is None) and (a is None or torch.equal(a, b))

    return all(pairs())
