"""Scenarios of three ranks, of which the last does not come to `register`, or stops in it."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from datetime import timedelta
from typing import Any

import torch.distributed as dist

import lmgc_torch
from ddp_basics import Report, error_of, wrapped, write_report
from lmgc_torch import groups

VICTIM = 2
TIMEOUT_SECONDS = 3


def absent(rank: int) -> Report:
    """The others are told, and register when it comes too."""
    ddp = wrapped(process_group=dist.new_group(timeout=timedelta(seconds=TIMEOUT_SECONDS)))
    fresh = wrapped(process_group=dist.new_group(timeout=timedelta(seconds=TIMEOUT_SECONDS)))
    message = "" if rank == VICTIM else error_of(lambda: lmgc_torch.register(ddp, "fast"))
    dist.barrier()
    late = error_of(lambda: lmgc_torch.register(ddp, "fast")) if rank == VICTIM else ""
    dist.barrier()
    return {
        "absent": message,
        "late": late,
        "fresh": error_of(lambda: lmgc_torch.register(fresh, "fast")),
    }


def stopped(rank: int) -> Report:
    """The victim stands still at the group that STOP_AT counts, until the others have noticed."""
    pids = [0, 0, 0]
    dist.all_gather_object(pids, os.getpid())
    if os.environ["STORE_ON_VICTIM"] == "1":
        use_store_of_victim(rank)
    ddp = wrapped(process_group=dist.new_group(timeout=timedelta(seconds=TIMEOUT_SECONDS)))
    if rank == VICTIM:
        write_report({"exit_code": -signal.SIGKILL})
        stop_at(int(os.environ["STOP_AT"]))
    report = {"stopped": error_of(lambda: lmgc_torch.register(ddp, "auto"))}
    assert rank != VICTIM, "it has not stopped"
    if rank == 0:
        time.sleep(3)  # the other one notices by itself
        with suppress(ProcessLookupError):
            os.kill(pids[VICTIM], signal.SIGKILL)
    return report


def use_store_of_victim(rank: int) -> None:
    store = dist.TCPStore("127.0.0.1", 0, None, True) if rank == VICTIM else None
    port = [None if store is None else store.port]
    dist.broadcast_object_list(port, src=VICTIM)
    dist.destroy_process_group()
    store = store or dist.TCPStore("127.0.0.1", port[0], None, False)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=3)


def stop_at(number: int) -> None:
    """Before the process makes so many groups."""
    make_group, made = groups.make_group, 0

    def stopping(*arguments: Any) -> dist.ProcessGroup:
        nonlocal made
        made += 1
        if made == number:
            os.kill(os.getpid(), signal.SIGSTOP)
        return make_group(*arguments)

    groups.make_group = stopping
