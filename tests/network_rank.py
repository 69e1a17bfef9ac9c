"""A rank that sums a tensor with the others': python network_rank.py RANK WORLD_SIZE FOLDER."""

import os
import sys
from pathlib import Path

import torch
import torch.distributed as dist

from namespaces import INTERFACE

VALUES = 250_000

if __name__ == "__main__":
    rank, world_size, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    os.environ["GLOO_SOCKET_IFNAME"] = INTERFACE
    meeting = f"file://{folder}/meeting"
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=world_size)
    values = torch.full((VALUES,), float(rank))
    dist.all_reduce(values)
    torch.save(values, folder / f"sum{rank}.pt")
    dist.barrier()
