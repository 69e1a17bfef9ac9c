"""What a backward that failed leaves in the gradients."""

from __future__ import annotations

from datetime import timedelta

import torch
from torch.nn.parallel import DistributedDataParallel

import lmgc_torch
from ddp_attacks import TIMEOUT_SECONDS, VICTIM, Attacking
from ddp_basics import Report, error_of
from ddp_groups import GroupAround, put_around_groups
from ddp_wire import Tall, sums_in_rank_order


def gradients_after_failure(rank: int) -> Report:
    """The second of three buckets is attacked."""
    put_around_groups(Attacking)
    return {
        f"gradients after {attack}, views: {views}": after_attack(rank, attack, views)
        for attack in ("damage at payload 0", "damage at payload 1")
        for views in (False, True)
    }


def after_attack(rank: int, attack: str, views: bool) -> Report:
    """Of each parameter in DDP's order: "own" gradient or "average", bit for bit, or "neither"."""
    Attacking.attack, Attacking.armed = attack, False
    GroupAround.alive.clear()
    torch.manual_seed(0)
    ddp = DistributedDataParallel(Tall(), bucket_cap_mb=0.03, gradient_as_bucket_view=views)
    handle = lmgc_torch.register(ddp, "fast", timeout=timedelta(seconds=TIMEOUT_SECONDS))
    inputs = torch.randn(40, 60, generator=torch.Generator().manual_seed(rank))
    for _ in range(2):  # buckets are what they stay
        ddp(inputs).backward()
    ddp.zero_grad()
    with ddp.no_sync():
        ddp(inputs).backward()
    own = [parameter.grad.clone() for parameter in ddp.parameters()]
    averages = sums_in_rank_order(ddp)
    ddp.zero_grad()
    Attacking.skip = 2  # sends of the first bucket
    Attacking.armed = rank == VICTIM
    error = error_of(lambda: ddp(inputs).backward())
    handle._hook.close()  # nothing is under way any more
    found = [
        "average"
        if torch.equal(parameter.grad, average)
        else "own"
        if torch.equal(parameter.grad, before)
        else "neither"
        for parameter, before, average in zip(ddp.parameters(), own, averages, strict=True)
    ]
    return {"error": error, "found": found}
