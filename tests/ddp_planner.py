"""Scenarios of `preset="auto"` on real process groups, and of what is told of them."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

import lmgc_torch
from ddp_groups import GroupAround
from ddp_training import Case, Wide, same, train
from lmgc_torch import hook

make_planning_group = hook.make_planning_group


class SlowGroup(GroupAround):
    """What a planner measures is a link of 1 Mbit/s, on which everything pays."""

    def send(self, tensors: list[torch.Tensor], to: int, tag: int) -> dist.Work:
        time.sleep(8e-6 * tensors[0].nbytes)
        return super().send(tensors, to, tag)


def planned(rank: int) -> dict[str, Any]:
    """Trials of presets between plain steps; what all ranks end with."""
    hook.make_planning_group = lambda *arguments: SlowGroup(make_planning_group(*arguments))
    case = Case(net=Wide, preset="auto", ddp={"bucket_cap_mb": 0.01})
    steps = 6 + 3 * 14 + 10
    trained, stats = train(case, None, hooked=True, steps=steps)
    assert stats is not None
    report = {
        "buckets": stats.total.buckets,
        "plain_buckets": stats.total.plain_buckets,
        "like_plain": same(trained, train(Case(net=Wide), None, hooked=False, steps=steps)[0]),
    }
    numbers = torch.cat([tensor.flatten() for tensor in trained if tensor is not None])
    everywhere = [torch.empty_like(numbers) for _ in range(dist.get_world_size())]
    dist.all_gather(everywhere, numbers)
    report["identical"] = all(torch.equal(numbers, other) for other in everywhere)
    return report | explained(rank)


def explained(rank: int) -> dict[str, Any]:
    """On a link as it is, for a net too small to gain anything."""
    hook.make_planning_group = make_planning_group
    ddp = DistributedDataParallel(Wide())
    handle = lmgc_torch.register(ddp, "auto")
    before = handle.explain()
    for turn in range(10):
        ddp(torch.randn(4, 12), turn).sum().backward()
    return {"before": before, "after": handle.explain(), "state": handle.state_dict()["active"]}


class Board(list[tuple[str, float, int]]):
    """What a SummaryWriter would draw."""

    def add_scalar(self, tag: str, scalar_value: float, global_step: int) -> None:
        self.append((tag, scalar_value, global_step))


def logged(rank: int) -> dict[str, Any]:
    """Lines and curves of three steps, while the user resets the handle's own counters."""
    ddp = DistributedDataParallel(Wide(), bucket_cap_mb=0.01)
    handle = lmgc_torch.register(ddp, "fast")
    board = Board()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "log.jsonl")
        log = lmgc_torch.StatsLog(handle, path, board)
        for turn in range(3):
            ddp(torch.randn(4, 12), turn).sum().backward()
            log.write(turn)
            seen = handle.stats(reset=True)
        lines = [json.loads(line) for line in path.read_text().splitlines()]
    return {"lines": lines, "board": list(board), "sent_bytes": seen.total.sent_bytes}
