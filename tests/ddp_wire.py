"""Scenarios of what is sent, and of sums in rank order."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

import lmgc_torch
from ddp_groups import GroupAround, put_around_groups

STEPS = 22


class CountingGroup(GroupAround):
    """Counts what is handed to another group for the peers."""

    payload_bytes = sent_bytes = 0

    def alltoall_base(self, out: torch.Tensor, tensor: torch.Tensor, *others: Any) -> dist.Work:
        self.sent_bytes += tensor.nbytes * (self.size() - 1) // self.size()
        return super().alltoall_base(out, tensor, *others)

    def send(self, tensors: list[torch.Tensor], to: int, tag: int) -> dist.Work:
        self.payload_bytes += tensors[0].nbytes
        self.sent_bytes += tensors[0].nbytes
        return super().send(tensors, to, tag)


class Tall(nn.Module):
    """Matrices of several sizes, rows that learn, and flat parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(60, 200), nn.Tanh(), nn.Linear(200, 220), nn.Tanh(), nn.Linear(220, 50)
        )
        self.scale = nn.Parameter(torch.ones(1001, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x).square().mean() * self.scale.square().mean()


def shared(rank: int) -> dict[str, Any]:
    """One level: every rank is as near as any other."""
    return compared(rank, None)


def by_hosts(rank: int) -> dict[str, Any]:
    """Two ranks a host, of which neighbours in number are not on the same."""
    count = dist.get_world_size() // 2
    return compared(rank, [[host, host + count] for host in range(count)])


def compared(rank: int, hosts: list[list[int]] | None) -> dict[str, Any]:
    """Whether sums are those in rank order, bit for bit, after each step; what was sent."""
    put_around_groups(CountingGroup)
    report: dict[str, Any] = {}
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        torch.manual_seed(0)
        GroupAround.alive.clear()
        ddp = DistributedDataParallel(Tall().to(dtype), bucket_cap_mb=0.15)
        handle = lmgc_torch.register(ddp, "fast", hosts=hosts)
        optimizer = torch.optim.SGD(ddp.parameters(), lr=0.1)
        same = True
        for turn in range(STEPS):
            seed = torch.Generator().manual_seed(100 * rank + turn)
            inputs = torch.randn(40, 60, generator=seed).to(dtype)
            optimizer.zero_grad()
            with ddp.no_sync():
                ddp(inputs).backward()
            expected = sums_in_rank_order(ddp, hosts)
            optimizer.zero_grad()
            ddp(inputs).backward()
            same = same and all(
                torch.equal(total.view(torch.uint8), p.grad.view(torch.uint8))
                for total, p in zip(expected, ddp.parameters(), strict=True)
            )
            optimizer.step()
        total = handle.stats().total
        report[str(dtype)] = {
            "same": same,
            "rate": total.rate,
            "sent_bytes": total.sent_bytes,
            "counted_bytes": sum(group.sent_bytes for group in GroupAround.alive),
            "payload_bytes": [group.payload_bytes for group in GroupAround.alive],
            "raw_bytes": total.raw_bytes,
        }
    return report


def sums_in_rank_order(
    ddp: DistributedDataParallel, hosts: list[list[int]] | None = None
) -> list[torch.Tensor]:
    sums = []
    for parameter in ddp.parameters():
        everyone = [torch.empty_like(parameter.grad) for _ in range(dist.get_world_size())]
        dist.all_gather(everyone, parameter.grad)
        terms = [gradient / len(everyone) for gradient in everyone]
        if hosts is not None:
            terms = [in_order([terms[rank] for rank in host]) for host in hosts]
        sums.append(in_order(terms))
    return sums


def in_order(terms: list[torch.Tensor]) -> torch.Tensor:
    total = terms[0].clone()
    for other in terms[1:]:
        total += other
    return total


class Uneven(nn.Module):
    """Its gradient is what it is given, of the second half the signs."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.ParameterList(torch.zeros(300, 200) for _ in range(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (self.weights[0] * x[0]).sum() + (self.weights[1] * x[1].sign()).sum()


def uneven(rank: int) -> dict[str, Any]:
    """Bytes that this rank sends in each step and exchange."""
    put_around_groups(CountingGroup)
    ddp = DistributedDataParallel(Uneven())
    lmgc_torch.register(ddp, "fast")
    steps = []
    for turn in range(5):
        for group in GroupAround.alive:
            group.payload_bytes = 0
        generator = torch.Generator().manual_seed(100 * rank + turn)
        ddp(torch.randn(2, 300, 200, generator=generator)).backward()
        steps.append([group.payload_bytes for group in GroupAround.alive])
    return {"steps": steps}


def profiled(rank: int) -> dict[str, Any]:
    """What torch.profiler sees of a step, which runs on threads of the hook."""
    ddp = DistributedDataParallel(Tall(), bucket_cap_mb=0.15)
    lmgc_torch.register(ddp, "fast")
    ddp(torch.randn(40, 60)).backward()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        ddp(torch.randn(40, 60)).backward()
    ddp(torch.randn(40, 60)).backward()
    return {"ranges": [event.name for event in profiler.events() if "lmgc" in event.name]}
