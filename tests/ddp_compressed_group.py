"""Scenarios of a compressed process group: PyTorch's PowerSGD, and all that may be called on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import fp16_compress_hook
from torch.distributed.algorithms.ddp_comm_hooks.powerSGD_hook import (
    PowerSGDState,
    powerSGD_hook,
)
from torch.nn.parallel import DistributedDataParallel

import lmgc_torch
from ddp_basics import Report, error_of
from ddp_collectives import everyones, own_tensor, same_bits
from ddp_training import WIDTH, bits, data
from ddp_wire import in_order

STEPS = 8
RANK = 4
ROUNDS = 300  # where the GIL and gloo's lock wait for each other, it takes up to 160
Attach = Callable[[DistributedDataParallel, dist.ProcessGroup], None]


def trained(
    attach: Attach, group: dist.ProcessGroup, device: str = "cpu", **arguments: Any
) -> list[torch.Tensor]:
    """Bits of all gradients of some steps, and of the parameters at the end. One bucket: over gloo
    PowerSGD's calls of several may come in another order on each rank.
    """
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(WIDTH, 200), nn.Tanh(), nn.Linear(200, 150), nn.Linear(150, 3))
    ddp = DistributedDataParallel(net.to(device), **arguments)
    attach(ddp, group)
    optimizer = torch.optim.SGD(ddp.parameters(), lr=0.05, momentum=0.9)
    trace = []
    for turn in range(STEPS):
        optimizer.zero_grad()
        ddp(data(dist.get_rank(), turn).to(device)).square().mean().backward()
        trace += [bits(p.grad) for p in ddp.parameters() if p.grad is not None]
        optimizer.step()
    return trace + [bits(parameter) for parameter in ddp.parameters()]


def power_sgd(ddp: DistributedDataParallel, group: dist.ProcessGroup) -> None:
    """Two steps of plain allreduces first, as PowerSGD wants it."""
    state = PowerSGDState(group, matrix_approximation_rank=RANK, start_powerSGD_iter=2)
    ddp.register_comm_hook(state, powerSGD_hook)


def halved(ddp: DistributedDataParallel, group: dist.ProcessGroup) -> None:
    ddp.register_comm_hook(group, fp16_compress_hook)


HOOKS = {hook.__name__: hook for hook in (power_sgd, halved)}


def composes(hook: Attach) -> Report:
    plain = dist.new_group()
    compressed = lmgc_torch.CompressedGroup(dist.new_group())
    expected, got = trained(hook, plain), trained(hook, compressed)
    counted = lmgc_torch.collective_counters(compressed.wrapped)
    everybodys = everyones(torch.cat([part.flatten() for part in got]))
    return {
        "as plain": all(map(torch.equal, expected, got)),
        "identical": all(torch.equal(everybodys[0], other) for other in everybodys),
        "error": max(
            (a.view(torch.float32) - b.view(torch.float32)).abs().max().item()
            for a, b in zip(expected, got, strict=True)
        ),
        "calls": counted.buckets,
        "raw_bytes": counted.raw_bytes,
        "payload_bytes": counted.payload_bytes,
    }


def calls(group: lmgc_torch.CompressedGroup) -> dict[str, bool]:
    """Whether torch.distributed's functions give what they should, and by whom."""
    rank, size = dist.get_rank(), dist.get_world_size()
    own = own_tensor((size, 500), torch.float32)
    terms = everyones(own)
    right: dict[str, bool] = {}

    def counted() -> int:
        return lmgc_torch.collective_counters(group.wrapped).buckets

    def check(name: str, good: bool, by_us: int) -> None:
        right[name] = good and counted() - before == by_us

    for op in (dist.ReduceOp.SUM, dist.ReduceOp.AVG):
        before, tensor = counted(), own.clone()
        dist.all_reduce(tensor, op, group=group)
        parts = [term / size for term in terms] if op == dist.ReduceOp.AVG else terms
        check(f"all_reduce {op}", same_bits(tensor, in_order(parts)), 1)
        before, part = counted(), torch.empty(500)
        dist.reduce_scatter(part, list(own.unbind()), op, group=group)
        check(f"reduce_scatter {op}", same_bits(part, in_order(parts)[rank]), 1)
        before, part = counted(), torch.empty(500)
        dist.reduce_scatter_tensor(part, own, op, group=group)
        check(f"reduce_scatter_tensor {op}", same_bits(part, in_order(parts)[rank]), 1)
    before, gathered = counted(), [torch.empty_like(own) for _ in terms]
    dist.all_gather(gathered, own, group=group)
    check("all_gather", all(map(torch.equal, gathered, terms)), 1)
    before, whole = counted(), torch.empty(size * size, 500)
    work = dist.all_gather_into_tensor(whole, own, group=group, async_op=True)
    assert work is not None
    work.wait()
    check("all_gather_into_tensor", torch.equal(whole, torch.cat(terms)), 1)

    before = counted()
    check("passed on", all(passed_on(group) for _ in range(ROUNDS)), 0)
    return right


def passed_on(group: lmgc_torch.CompressedGroup) -> bool:
    """Whether what is not ours gives what it should."""
    size = dist.get_world_size()
    own = own_tensor((size, 50), torch.float32)
    most, sent, sparse = own.clone(), own.clone(), torch.eye(size).to_sparse()
    dist.all_reduce(most, dist.ReduceOp.MAX, group=group)
    dist.all_reduce(sparse, group=group)
    dist.broadcast(sent, src=size - 1, group=group)
    dist.barrier(group)
    terms = everyones(own)
    return (
        torch.equal(most, torch.stack(terms).amax(0))
        and torch.equal(sparse.to_dense(), size * torch.eye(size))
        and torch.equal(sent, terms[-1])
    )


def errors(group: lmgc_torch.CompressedGroup) -> Report:
    rank = dist.get_rank()
    report: Report = {}

    def uneven(wait: Callable[[dist.Work], object]) -> None:
        work = dist.all_reduce(torch.ones(4 + rank), group=group, async_op=True)
        assert work is not None
        wait(work)

    report["shapes"] = [
        error_of(lambda: dist.all_reduce(torch.ones(4 + rank), group=group)),
        error_of(lambda: uneven(lambda work: work.wait())),
        error_of(lambda: uneven(lambda work: work.get_future().wait())),
    ]
    tensor = torch.ones(4)
    dist.all_reduce(tensor, group=group)
    report["next"] = bool((tensor == dist.get_world_size()).all())
    first = dist.new_group([0])
    report["left out"] = error_of(lambda: lmgc_torch.CompressedGroup(first))
    return report


def compressed_group(rank: int) -> Report:
    report: Report = {name: composes(hook) for name, hook in HOOKS.items()}
    group = lmgc_torch.CompressedGroup(codec="max")
    report["calls"] = calls(group)
    report["errors"] = errors(group)

    def nothing(ddp: DistributedDataParallel, group: dist.ProcessGroup) -> None:
        pass

    before = lmgc_torch.collective_counters(group.wrapped).buckets
    plain = trained(nothing, group)
    report["ddp"] = all(map(torch.equal, plain, trained(nothing, group, process_group=group)))
    report["ddp calls"] = lmgc_torch.collective_counters(group.wrapped).buckets - before
    return report
