"""Ctrl-C at a terminal: every rank gets it."""

from __future__ import annotations

import os
import signal
import threading
import time

import torch.distributed as dist

import lmgc_torch
from ddp_basics import Report, step, wrapped, write_report
from ddp_training import Wide, data


def interrupted(rank: int) -> Report:
    """Trains until it comes. Of what ends the process only KeyboardInterrupt has this exit code."""
    pids = [0] * dist.get_world_size()
    dist.all_gather_object(pids, os.getpid())
    write_report({"exit_code": -signal.SIGINT})
    ddp = wrapped(Wide(), bucket_cap_mb=0.001)
    lmgc_torch.register(ddp, "fast")
    if rank == 0:
        threading.Timer(1, lambda: [os.kill(pid, signal.SIGINT) for pid in pids]).start()
    end = time.monotonic() + 60
    turn = 0
    try:
        while time.monotonic() < end:
            step(ddp, data(rank, turn), turn)
            turn += 1
    except RuntimeError:  # others went first, and the backward returned with that
        time.sleep(10)  # the interrupt comes now
    return {}
