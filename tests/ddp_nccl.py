"""Scenarios of DDP over NCCL, whose payloads go over NCCL too. All ranks share one GPU."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

import lmgc_torch
from ddp_basics import Report, error_of, step, wrapped, write_report
from ddp_equality import identical
from ddp_faults import Dying
from ddp_groups import GroupAround, put_around_groups
from ddp_training import CASES, Case, Deep, Wide, data, same, train
from lmgc_torch import ddp_module

GPU = "cuda:0"
TRAINED = {
    "fast": (Case(net=Wide), 20),
    "balanced": (Case(net=Wide, preset="balanced"), 20),
    "units": (Case(net=Deep), 6),
    "small_buckets": (CASES["small_buckets"], 10),
    "mixed": (CASES["mixed"], 10),
    "auto": (Case(net=Wide, preset="auto"), 30),
}


def share_a_gpu(rank: int) -> None:
    """NCCL refuses several ranks on one GPU, unless it takes them for other hosts."""
    os.environ |= {
        "NCCL_HOSTID": f"host{rank}",
        "NCCL_SOCKET_IFNAME": "lo",
        "NCCL_IB_DISABLE": "1",
        "NCCL_P2P_DISABLE": "1",
        "NCCL_SHM_DISABLE": "1",
        "NCCL_DEBUG": "WARN",
    }
    torch.cuda.set_device(GPU)


def nccl_training(rank: int) -> Report:
    """As plain DDP does; and the process ends as a user's."""
    ddp = wrapped(Wide().to(GPU))
    report: Report = {
        "payloads over": ddp_module.facts_of(ddp, lmgc_torch.Codec())["payloads over"]
    }
    for name, (case, steps) in TRAINED.items():
        start = time.monotonic()
        case = replace(case, device=GPU)
        expected, _ = train(case, None, hooked=False, steps=steps)
        trained, stats = train(case, None, hooked=True, steps=steps)
        assert stats is not None
        report[name] = {
            "same": same(expected, trained),
            "buckets": stats.total.buckets,
            "plain_buckets": stats.total.plain_buckets,
            "coded_bytes": stats.total.coded_bytes,
            "payload_bytes": stats.total.payload_bytes,
            "wire_seconds": stats.total.wire_seconds,
            "seconds": time.monotonic() - start,
        }
    dist.destroy_process_group()
    return report


def nccl_beside_gloo(rank: int) -> Report:
    """DDP's group has both; a checkpoint's state goes over gloo then."""
    ddp = wrapped(Wide().to(GPU))
    report: Report = {
        "payloads over": ddp_module.facts_of(ddp, lmgc_torch.Codec())["payloads over"]
    }
    handle = lmgc_torch.register(ddp, "fast")
    handle.load_state_dict(handle.state_dict() if rank == 0 else None)
    case = replace(TRAINED["fast"][0], device=GPU)
    expected, _ = train(case, None, hooked=False, steps=5)
    trained, _ = train(case, None, hooked=True, steps=5)
    return report | {"same": same(expected, trained)}


def nccl_ranks(rank: int) -> Report:
    """Of four ranks, each sums a shard; then in two hosts of two."""
    report: Report = {}
    for name in ("fast", "balanced", "units"):
        case, steps = TRAINED[name]
        report[name] = identical(replace(case, device=GPU), dist.group.WORLD, steps=steps)
    torch.manual_seed(0)
    ddp = wrapped(Wide().to(GPU))
    handle = lmgc_torch.register(ddp, "fast", hosts=[[0, 2], [1, 3]])
    for turn in range(5):
        ddp.zero_grad()
        step(ddp, data(rank, turn).to(GPU), turn)
    gradient = torch.cat([parameter.grad.flatten() for parameter in ddp.parameters()])
    everywhere = [torch.empty_like(gradient) for _ in range(4)]
    dist.all_gather(everywhere, gradient)
    report["hosts"] = all(torch.equal(gradient, other) for other in everywhere)
    report["rate"] = handle.stats().total.payload_bytes / handle.stats().total.coded_bytes
    return report


def nccl_gone(rank: int) -> Report:
    """Rank 1 ends in the middle of a backward."""
    ddp = wrapped(Dying().to(GPU), bucket_cap_mb=0.001)
    lmgc_torch.register(ddp, "fast")
    return survived(lambda: step(ddp, data(rank, 0).to(GPU)))


class AtPayload(GroupAround):
    """Waits so long with a payload that all others know of, and then ends its process."""

    seconds = 0.0

    def alltoall_base(self, out: torch.Tensor, tensor: torch.Tensor, *others: Any) -> dist.Work:
        if tensor.is_cuda:
            write_report({"exit_code": 3})
            time.sleep(self.seconds)
            os._exit(3)
        return super().alltoall_base(out, tensor, *others)


class SilentAtPayload(AtPayload):
    seconds = 8.0


def nccl_left(rank: int) -> Report:
    """Rank 1 ends when the others already wait for its payload by NCCL."""
    return without_payload(rank, AtPayload, None)


def nccl_silent(rank: int) -> Report:
    """The same, but it goes on and sends nothing."""
    return without_payload(rank, SilentAtPayload, timedelta(seconds=3))


def without_payload(rank: int, around: type[AtPayload], timeout: timedelta | None) -> Report:
    ddp, _ = registered(rank, around, timeout)
    return survived(lambda: step(ddp, data(rank, 0).to(GPU), 0))


def nccl_closed(rank: int) -> Report:
    """Rank 0 closes its hook while it waits for the payload of rank 1."""
    ddp, handle = registered(rank, SilentAtPayload, None)
    if rank == 0:
        threading.Timer(2, handle._hook.close).start()
    return survived(lambda: step(ddp, data(rank, 0).to(GPU), 0))


def registered(
    rank: int, around: type[AtPayload], timeout: timedelta | None
) -> tuple[DistributedDataParallel, lmgc_torch.Handle]:
    if rank == 1:
        put_around_groups(around)
    ddp = wrapped(Wide().to(GPU))
    return ddp, lmgc_torch.register(ddp, "fast", timeout=timeout)


def survived(action: Any) -> Report:
    """What the user is told, and whether the process and the GPU go on: nothing waits there."""
    start = time.monotonic()
    message = error_of(action)
    seconds = time.monotonic() - start
    time.sleep(2)  # a watchdog would end the process
    torch.cuda.synchronize()
    works = torch.ones(1000, device=GPU).sum().item() == 1000
    return {"error": message, "seconds": seconds, "works": works}
