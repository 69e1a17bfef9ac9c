"""Scenarios of three ranks, of which the last sends what no honest rank sends, or goes away."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

import lmgc_torch
from ddp_basics import write_report
from ddp_groups import GroupAround, put_around_groups
from ddp_wire import Tall

VICTIM = 2
GOOD_STEPS = 2  # of three buckets each
TIMEOUT_SECONDS = 5


class Attacking(GroupAround):
    """Once armed, does `attack` at an exchange's announcements or payloads."""

    attack = ""
    armed = False

    def alltoall_base(
        self, out: torch.Tensor, tensor: torch.Tensor, outs: list[int], ins: list[int], opts: Any
    ) -> dist.Work:
        exchange = GroupAround.alive.index(self)
        place = f"{'payload' if ins else 'announcement'} {exchange}"
        what, _, where = Attacking.attack.partition(" at ")
        if Attacking.armed and where == place:
            if what == "damage":
                tensor = tensor.clone()
                tensor[tensor.numel() // 4] ^= 16
            elif what == "swap":
                tensor = torch.cat([tensor[ins[0] :], tensor[: ins[0]]])
            elif what == "announce":  # a payload of an exabyte for rank 1
                tensor = tensor.clone()
                tensor.view(self.size(), -1)[:, 4] = 1 << 60
            elif what == "kill":
                os._exit(3)
            elif what == "kill after":
                self.group.alltoall_base(out, tensor, outs, ins, opts).wait()
                os._exit(3)
            elif what == "stop":
                os.kill(os.getpid(), signal.SIGSTOP)
        return self.group.alltoall_base(out, tensor, outs, ins, opts)


def attacked_step(rank: int, attack: str) -> dict[str, Any]:
    """Errors of the attacked step and the next, and how long the first took."""
    Attacking.attack, Attacking.armed = attack, False
    GroupAround.alive.clear()
    torch.manual_seed(0)
    ddp = DistributedDataParallel(Tall(), bucket_cap_mb=0.1, gradient_as_bucket_view=True)
    lmgc_torch.register(ddp, timeout=timedelta(seconds=TIMEOUT_SECONDS))
    errors = []
    start = 0.0
    for turn in range(GOOD_STEPS + 2):
        if turn == GOOD_STEPS:
            Attacking.armed = rank == VICTIM
            start = time.monotonic()
        try:
            ddp(torch.randn(40, 60)).backward()
        except RuntimeError as error:
            errors.append(str(error))
        else:
            errors.append("")
        if turn == GOOD_STEPS:
            seconds = time.monotonic() - start
    return {"errors": errors, "seconds": seconds}


def attacks(rank: int) -> dict[str, Any]:
    put_around_groups(Attacking)
    return {
        attack: attacked_step(rank, attack)
        for attack in (
            "damage at payload 0",
            "damage at payload 1",
            "swap at payload 0",
            "announce at announcement 0",
            "announce at announcement 1",
        )
    }


def gone(rank: int) -> dict[str, Any]:
    """The victim ends, or stands still until the others have noticed."""
    put_around_groups(Attacking)
    pids = [0, 0, 0]
    dist.all_gather_object(pids, os.getpid())
    attack = os.environ["ATTACK"]
    if rank == VICTIM:
        code = -signal.SIGKILL if attack.startswith("stop") else 3
        write_report({"exit_code": code})
    report = attacked_step(rank, attack)
    if rank == 0 and attack.startswith("stop"):
        time.sleep(3)  # the other one notices by itself
        with suppress(ProcessLookupError):
            os.kill(pids[VICTIM], signal.SIGKILL)
    return report
