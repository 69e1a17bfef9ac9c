"""Scenarios of three ranks, of which the last is not like the others."""

from __future__ import annotations

import torch

import lmgc_torch
from ddp_attacks import VICTIM
from ddp_basics import Embedded, Report, error_of, step, wrapped
from ddp_training import WIDTH, Branches
from ddp_wire import Tall


def differences(rank: int) -> Report:
    """Errors of the first backward in which it matters, and of the next.

    DDP has no next one with other layouts: it broadcasts what it would make of them.
    """
    report: Report = {}

    ddp = wrapped(Embedded(sparse=rank == VICTIM))
    lmgc_torch.register(ddp, "fast")
    report["sparse gradient"] = [error_of(lambda: step(ddp, torch.arange(10))) for _ in range(2)]

    cap = 0.0005 if rank == VICTIM else 25
    ddp = wrapped(Branches(), bucket_cap_mb=cap, find_unused_parameters=True)
    lmgc_torch.register(ddp, "fast")
    inputs = torch.randn(16, WIDTH)
    report["bucket layout"] = [error_of(lambda: step(ddp, inputs, 0))]

    ddp = wrapped(Tall())
    handle = lmgc_torch.register(ddp, "fast")
    inputs = torch.randn(40, 60)
    step(ddp, inputs)
    for history in handle._state._histories["fast"].values():
        if history is not None and rank == VICTIM:
            history.reset()
    report["history"] = [error_of(lambda: step(ddp, inputs)) for _ in range(2)]
    return report
