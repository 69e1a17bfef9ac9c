"""One rank of a scenario: python ddp_worker.py SCENARIO RANK WORLD_SIZE FOLDER."""

from __future__ import annotations

import sys
from datetime import timedelta

import torch
import torch.distributed as dist

from ddp_attacks import attacks, gone
from ddp_basics import write_report
from ddp_equality import groups, training
from ddp_faults import faults, killed, unfinished
from ddp_registration import language_model
from ddp_wire import profiled, shared

TIMEOUT_SECONDS = 15
SCENARIOS = {
    scenario.__name__: scenario
    for scenario in (
        attacks,
        faults,
        gone,
        groups,
        killed,
        language_model,
        profiled,
        shared,
        training,
        unfinished,
    )
}


def main() -> None:
    scenario, rank, world_size, folder = sys.argv[1:]
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo",
        store=dist.FileStore(f"{folder}/store", int(world_size)),
        rank=int(rank),
        world_size=int(world_size),
        timeout=timedelta(seconds=TIMEOUT_SECONDS),
    )
    write_report(SCENARIOS[scenario](int(rank)))


if __name__ == "__main__":
    main()
