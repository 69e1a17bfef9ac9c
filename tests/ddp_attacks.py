"""Scenarios of three ranks, of which the last sends what no honest rank sends, or goes away."""

from __future__ import annotations

import os
import resource
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

import lmgc_torch
from ddp_basics import write_report
from ddp_groups import GroupAround, put_around_groups
from ddp_wire import Tall

VICTIM = 2
GOOD_STEPS = 2
TIMEOUT_SECONDS = 5
CUT_BYTES = 10
SPARE_BYTES = 1 << 18


class Attacking(GroupAround):
    """Once armed, does `attack` at an exchange's announcements or payloads, or at both."""

    attack = ""
    armed = False
    skip = 0  # such messages before the attack

    def __init__(self, group: dist.ProcessGroup) -> None:
        super().__init__(group)
        self.payloads: dict[int, torch.Tensor] = {}  # sent last, by receiver

    def alltoall_base(self, out: torch.Tensor, tensor: torch.Tensor, *others: Any) -> dist.Work:
        what, _, where = Attacking.attack.partition(" at ")
        if self.comes(where, "announcement"):
            strike(what)
            sizes = tensor.view(self.size(), -1)[:, 3:]
            if what == "announce":  # a payload of an exabyte for rank 1
                sizes[:, 1] = 1 << 60
            elif what == "truncate":
                sizes[:, 0] -= CUT_BYTES
            elif what == "replay":
                for receiver, payload in self.payloads.items():
                    sizes[:, receiver] = payload.numel()
        return super().alltoall_base(out, tensor, *others)

    def send(self, tensors: list[torch.Tensor], to: int, tag: int) -> dist.Work:
        what, _, where = Attacking.attack.partition(" at ")
        (payload,) = tensors
        if self.comes(where, "payload"):
            strike(what)
            sent = self.tampered(what, payload, to)
            is_last = to == (self.rank() - 1) % self.size()
            Attacking.armed = not is_last and what != "starve"
            work = super().send([sent], to, tag)
            if what == "kill after" and is_last:
                work.wait()
                strike("kill")
            return work
        self.payloads[to] = payload
        return super().send(tensors, to, tag)

    def comes(self, where: str, message: str) -> bool:
        """Whether the attack is at this message of the exchange."""
        exchange = GroupAround.alive.index(self)
        if not Attacking.armed or where not in (f"{message} {exchange}", f"exchange {exchange}"):
            return False
        if Attacking.skip > 0:
            Attacking.skip -= 1
            return False
        Attacking.armed = where.startswith(("exchange", "payload"))
        return True

    def tampered(self, what: str, payload: torch.Tensor, to: int) -> torch.Tensor:
        if what == "damage" and to == 0 or what == "damage" and self.size() == 2:
            payload = payload.clone()
            payload[payload.numel() // 4] ^= 16
        elif what == "swap":  # with the one for another rank, of the bucket before
            payload = torch.cat([self.payloads[1 - to], payload])[: payload.numel()]
        elif what == "truncate" and to == 0:
            payload = payload[:-CUT_BYTES]
        elif what == "replay":
            payload = self.payloads[to]
        return payload


def strike(what: str) -> None:
    """Does to this process what is not in a message."""
    if what == "kill":
        os._exit(3)
    elif what == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif what == "interrupt":
        os.kill(os.getpid(), signal.SIGINT)
    elif what == "starve":
        data_pages = int(Path("/proc/self/statm").read_text().split()[5])
        limit_memory(data_pages * resource.getpagesize() + SPARE_BYTES)


def strike_once(attack: str) -> None:
    if Attacking.armed:
        Attacking.armed = False
        strike(attack.split()[0])


def limit_memory(limit_bytes: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (limit_bytes, hard))


class Large(nn.Module):
    """One parameter: the hook takes more memory for it than backward frees."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(1000, 1200, bias=False)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight = self.layers[0].weight
        return torch.einsum("ij,ij", weight, weight.detach()) * x.mean()


class Twins(nn.Module):
    """Buckets of the same layout, without history."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ParameterList(torch.randn(27_000) for _ in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return sum(torch.einsum("i,i", p.sin(), p) for p in self.layers) * x.mean()


def attacked_step(
    rank: int,
    attack: str,
    net: Callable[[], nn.Module] = Tall,
    hosts: list[list[int]] | None = None,
) -> dict[str, Any]:
    """Errors of the attacked step and the next, and how long the first took."""
    Attacking.attack, Attacking.armed = attack, False
    GroupAround.alive.clear()
    torch.manual_seed(0)
    ddp = DistributedDataParallel(net(), bucket_cap_mb=0.1, gradient_as_bucket_view=True)
    timeout = timedelta(seconds=TIMEOUT_SECONDS)
    lmgc_torch.register(ddp, "fast", hosts=hosts, timeout=timeout)
    errors = []
    start = 0.0
    for turn in range(GOOD_STEPS + 2):
        if turn == GOOD_STEPS:
            Attacking.armed = rank == VICTIM
            if attack.endswith(" at backward"):
                ddp.module.layers[0].weight.register_hook(lambda _: strike_once(attack))
            if attack == "interrupt while backward waits":
                if rank == VICTIM:
                    threading.Timer(0.3, strike, ["interrupt"]).start()
                else:
                    time.sleep(1)
            start = time.monotonic()
        try:
            ddp(torch.randn(40, 60)).backward()
        except RuntimeError as error:
            errors.append(str(error))
        else:
            errors.append("")
        if turn == GOOD_STEPS:
            seconds = time.monotonic() - start
            limit_memory(resource.RLIM_INFINITY)
    return {"errors": errors, "seconds": seconds}


def attacks(rank: int) -> dict[str, Any]:
    put_around_groups(Attacking)
    return {
        attack: attacked_step(rank, attack, net)
        for attack, net in (
            ("damage at payload 0", Tall),
            ("damage at payload 1", Tall),
            ("swap at payload 0", Tall),
            ("announce at announcement 0", Tall),
            ("announce at announcement 1", Tall),
            ("truncate at exchange 0", Tall),
            ("truncate at exchange 1", Tall),
            ("replay at exchange 0", Twins),
            ("replay at exchange 1", Twins),
        )
    }


def attacks_between_hosts(rank: int) -> dict[str, Any]:
    """Rank 3 is the victim's neighbour, rank 1 its peer on the other host."""
    put_around_groups(Attacking)
    return {
        attack: attacked_step(rank, attack, hosts=[[0, 1], [3, VICTIM]])
        for attack in (
            "truncate at exchange 0",
            "damage at payload 1",
            "damage at payload 2",
            "truncate at exchange 3",
        )
    }


STARVING = {
    "starve at backward": [0, 1, 2],  # to encode: ranks that hear it in the same step
    "starve at announcement 0": [0, 1, 2],  # to sum, after the exchange had its memory
    "starve at payload 0": [0, 1, 2],
    "starve at payload 1": [2],  # for the average
}


def starved(rank: int) -> dict[str, Any]:
    """The victim can take no more memory for a while."""
    put_around_groups(Attacking)
    return {attack: attacked_step(rank, attack, Large) for attack in STARVING}


def gone(rank: int) -> dict[str, Any]:
    """The victim ends, or stands still until the others have noticed."""
    attack = os.environ["ATTACK"]
    if not attack.startswith("interrupt"):  # by which the interpreter ends
        put_around_groups(Attacking)
    pids = [0, 0, 0]
    dist.all_gather_object(pids, os.getpid())
    if rank == VICTIM:
        kinds = {"stop": -signal.SIGKILL, "interrupt": -signal.SIGINT}
        write_report({"exit_code": kinds.get(attack.partition(" ")[0], 3)})
    report = attacked_step(rank, attack)
    assert rank != VICTIM, f"{attack} has not ended this process"
    if rank == 0 and attack.startswith("stop"):
        time.sleep(3)  # the other one notices by itself
        with suppress(ProcessLookupError):
            os.kill(pids[VICTIM], signal.SIGKILL)
    return report
