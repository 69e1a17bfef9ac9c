"""What scenarios have in common."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from ddp_training import WIDTH, data

Report = dict[str, Any]


def error_of(action: Callable[[], object]) -> str:
    try:
        action()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "no error"


def wrapped(net: nn.Module | None = None, **arguments: Any) -> DistributedDataParallel:
    return DistributedDataParallel(nn.Linear(WIDTH, 3) if net is None else net, **arguments)


def step(ddp: DistributedDataParallel, *inputs: Any) -> None:
    ddp(*(inputs or (data(dist.get_rank(), 0),))).square().mean().backward()


class Embedded(nn.Module):
    def __init__(self, sparse: bool) -> None:
        super().__init__()
        self.embedding = nn.Embedding(10, WIDTH, sparse=sparse)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.embedding(x)


def write_report(report: Report) -> None:
    """For `launch`; a rank that says its `exit_code` beforehand writes it itself."""
    Path(sys.argv[4], f"report{sys.argv[2]}").write_text(json.dumps(report))
