"""One rank of some scenarios: python ddp_worker.py ONE+ANOTHER RANK WORLD_SIZE FOLDER."""

from __future__ import annotations

import signal
import sys
from datetime import timedelta

import torch
import torch.distributed as dist

from ddp_absent import absent, stopped
from ddp_attacks import attacks, attacks_between_hosts, gone, starved
from ddp_basics import Report, write_report
from ddp_collectives import (
    collective_errors,
    collective_gone,
    collectives,
)
from ddp_compressed_group import compressed_group
from ddp_differences import differences
from ddp_endurance import endurance
from ddp_equality import groups, on_gpu, training
from ddp_faults import faults, killed, unfinished
from ddp_forks import forks
from ddp_gradients import gradients_after_failure
from ddp_groups import leave
from ddp_interrupts import interrupted
from ddp_nccl import (
    nccl_beside_gloo,
    nccl_closed,
    nccl_gone,
    nccl_left,
    nccl_ranks,
    nccl_silent,
    nccl_training,
    share_a_gpu,
)
from ddp_planner import logged, planned
from ddp_python_hook import python_hook
from ddp_registration import language_model
from ddp_stages import staged, staged_on_gpu
from ddp_state import checkpoint, rebuild, resume, unlike_states
from ddp_wire import by_hosts, profiled, shared, uneven

TIMEOUT_SECONDS = 15


def fsdp(rank: int) -> Report:
    from ddp_fsdp import sharded  # FSDP takes seconds to load

    return sharded(rank)


def hsdp(rank: int) -> Report:
    from ddp_fsdp import replicated

    return replicated(rank)


def gpu_collectives(rank: int) -> Report:
    from ddp_gpu_collectives import gpu_collectives

    return gpu_collectives(rank)


def nccl_collectives(rank: int) -> Report:
    return gpu_collectives(rank)


def gpu_fsdp(rank: int) -> Report:
    from ddp_gpu_collectives import gpu_fsdp

    return gpu_fsdp(rank)


SCENARIOS = {
    scenario.__name__: scenario
    for scenario in (
        absent,
        attacks,
        attacks_between_hosts,
        by_hosts,
        checkpoint,
        collective_errors,
        collective_gone,
        collectives,
        compressed_group,
        differences,
        endurance,
        faults,
        forks,
        fsdp,
        gone,
        gpu_collectives,
        gpu_fsdp,
        gradients_after_failure,
        groups,
        hsdp,
        interrupted,
        killed,
        language_model,
        logged,
        nccl_beside_gloo,
        nccl_closed,
        nccl_collectives,
        nccl_gone,
        nccl_left,
        nccl_ranks,
        nccl_silent,
        nccl_training,
        on_gpu,
        planned,
        profiled,
        python_hook,
        rebuild,
        resume,
        shared,
        staged,
        staged_on_gpu,
        starved,
        stopped,
        training,
        uneven,
        unfinished,
        unlike_states,
    )
}


# Whose processes end as a user's do. Others end without ending the interpreter: see leave().
ENDING = {"collective_gone", "interrupted", "killed", "nccl_training", "training", "unfinished"}


def main() -> None:
    names, rank, world_size, folder = sys.argv[1:]
    scenarios = names.split("+")
    # What a shell starts in the background ignores it, and so would this.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    torch.set_num_threads(1)
    on_nccl = names.startswith("nccl_")
    if on_nccl:
        share_a_gpu(int(rank))
    backend = "nccl" if on_nccl else "gloo"
    if names == "nccl_beside_gloo":
        backend = "cpu:gloo,cuda:nccl"
    dist.init_process_group(
        backend,
        store=dist.FileStore(f"{folder}/store", int(world_size)),
        rank=int(rank),
        world_size=int(world_size),
        timeout=timedelta(seconds=TIMEOUT_SECONDS),
    )
    report: Report = {}
    for scenario in scenarios:
        report |= SCENARIOS[scenario](int(rank))
    write_report(report)
    if not ENDING.intersection(scenarios):
        leave()


if __name__ == "__main__":
    main()
