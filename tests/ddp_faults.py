"""Scenarios of two ranks, of which one fails, goes away or ends early."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

import lmgc_torch
from ddp_basics import Embedded, Report, error_of, step, wrapped, write_report
from ddp_hostile import register_hostile
from ddp_training import WIDTH, Branches, Case, data, same, train


def faults(rank: int) -> Report:
    """Each on a net of its own; after each error, training goes on with a fresh one."""
    report: Report = {}
    words = torch.arange(10)
    ddp = wrapped(Embedded(sparse=rank == 1))
    lmgc_torch.register(ddp, "fast")
    report["sparse"] = error_of(lambda: step(ddp, words))
    report["sparse_again"] = error_of(lambda: step(ddp, words))

    cap = 0.0005 if rank == 1 else 25
    ddp = wrapped(Branches(), bucket_cap_mb=cap, find_unused_parameters=True)
    lmgc_torch.register(ddp, "fast")
    report["layout"] = error_of(lambda: step(ddp, data(rank, 0), 0))

    for attack in ("huge", "negative", "damaged", "truncated"):
        ddp = wrapped()
        if rank == 1:
            register_hostile(ddp, attack)
        else:
            lmgc_torch.register(ddp, "fast")
        report[attack] = error_of(lambda ddp=ddp: step(ddp))

    ddp = wrapped()
    if rank == 1:
        register_hostile(ddp, "replayed")
    else:
        lmgc_torch.register(ddp, "fast")
    report["played"], report["replayed"] = (error_of(lambda: step(ddp)) for _ in range(2))

    ddp = wrapped()
    lmgc_torch.register(ddp, "fast", timeout=timedelta(seconds=2))
    if rank == 0:
        report["silent"] = error_of(lambda: step(ddp))
    dist.barrier()

    expected, _ = train(Case(), None, hooked=False, steps=3)
    trained, _ = train(Case(), None, hooked=True, steps=3)
    report["after"] = same(expected, trained)

    ddp = wrapped()
    lmgc_torch.register(ddp, "fast")
    step(ddp)
    if rank == 1:
        dist.destroy_process_group()
        rank_data = data(1, 0)
        report["destroyed"] = error_of(lambda: step(ddp, rank_data))
    else:
        report["destroyed"] = error_of(lambda: step(ddp))
    return report


class Dies(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        if dist.get_rank() == 1:
            write_report({"exit_code": 3})
            os._exit(3)
        return gradient


class Dying(nn.Module):
    """Rank 1 ends in the middle of backward, after the last layer's bucket is on its way."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(WIDTH, 500)
        self.second = nn.Linear(500, 500)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(Dies.apply(self.first(x)))


def killed(rank: int) -> Report:
    ddp = wrapped(Dying(), bucket_cap_mb=0.001)
    lmgc_torch.register(ddp, "fast")
    start = time.monotonic()
    message = error_of(lambda: step(ddp))
    later = error_of(lambda: step(ddp))
    return {"error": message, "later": later, "seconds": time.monotonic() - start}


def unfinished(rank: int) -> Report:
    """Rank 0 ends while its bucket waits for rank 1, which ends only after it."""
    ddp = wrapped()
    lmgc_torch.register(ddp, "fast", timeout=timedelta(minutes=5))
    others = [0, 0]
    dist.all_gather_object(others, os.getpid())
    if rank == 0:
        ddp.reducer._run_comm_hook(ddp.reducer._get_zeros_like_grad_buckets()[0])
        return {}
    with suppress(ProcessLookupError):
        while True:
            os.kill(others[0], 0)
            time.sleep(0.1)
    return {}
