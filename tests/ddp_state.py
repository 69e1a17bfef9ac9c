"""Scenarios of three ranks that save, resume with as many or others, and keep state over rebuilds.

Checkpoints lie in the folder CHECKPOINTS.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch import nn
from torch.nn.parallel import DistributedDataParallel

import lmgc_torch
from ddp_basics import Report, error_of
from ddp_wire import Tall
from lmgc_torch.history import make_histories

STEPS_BEFORE, STEPS_AFTER = 6, 3
RANKS = {"two": [0, 1], "three": [0, 1, 2]}


class Trained:
    """A net, its optimizer and its hook on some ranks."""

    def __init__(self, group: dist.ProcessGroup) -> None:
        torch.manual_seed(0)
        self.group = group
        self.ddp = DistributedDataParallel(Tall(), process_group=group)
        self.optimizer = torch.optim.SGD(self.ddp.parameters(), lr=0.1, momentum=0.9)
        self.handle = lmgc_torch.register(self.ddp, "fast")

    def run(self, first: int, steps: int) -> list[dict[str, Any]]:
        """What each step sent, and the parameters' digest after it."""
        trace = []
        for turn in range(first, first + steps):
            seed = torch.Generator().manual_seed(100 * dist.get_rank() + turn)
            self.optimizer.zero_grad()
            self.ddp(torch.randn(40, 60, generator=seed)).backward()
            self.optimizer.step()
            total = self.handle.stats(reset=True).total
            trace.append(
                {
                    "payload_bytes": total.payload_bytes,
                    "rate": total.rate,
                    "digest": digest(self.ddp.module),
                }
            )
        return trace

    def tensors(self) -> dict[str, Any]:
        return {"model": self.ddp.module.state_dict(), "momentum": self.momentum()}

    def momentum(self) -> dict[str, torch.Tensor]:
        states = [self.optimizer.state[parameter] for parameter in self.ddp.parameters()]
        for state, parameter in zip(states, self.ddp.parameters(), strict=True):
            state.setdefault("momentum_buffer", torch.zeros_like(parameter))
        return {str(index): state["momentum_buffer"] for index, state in enumerate(states)}

    def load(self, path: Path, way: str) -> None:
        """The history by `way`: in the distributed checkpoint, in a file, or not at all."""
        state = self.tensors()
        if way == "distributed":
            state["hook"] = self.handle
        dcp.load(state, checkpoint_id=path, process_group=self.group)
        if way == "file":
            self.handle.load_state_dict(torch.load(path / "hook.pt", weights_only=True))


def digest(net: nn.Module) -> str:
    hashed = hashlib.sha256()
    for parameter in net.parameters():
        hashed.update(parameter.detach().numpy().tobytes())
    return hashed.hexdigest()


def checkpoint(rank: int) -> Report:
    """Trains on two ranks, then on three; what they do after they saved."""
    report: Report = {}
    for name, ranks in RANKS.items():
        group = dist.new_group(ranks)
        if rank not in ranks:
            continue
        trained = Trained(group)
        before = trained.run(0, STEPS_BEFORE)
        path = Path(os.environ["CHECKPOINTS"], name)
        dcp.save(
            trained.tensors() | {"hook": trained.handle}, checkpoint_id=path, process_group=group
        )
        if rank == 0:
            torch.save(trained.handle.state_dict(), path / "hook.pt")
        report[name] = {"before": before, "after": trained.run(STEPS_BEFORE, STEPS_AFTER)}
    return report


def resume(rank: int) -> Report:
    """Goes on from each checkpoint with two ranks, and with three."""
    report: Report = {}
    for size, ranks in RANKS.items():
        group = dist.new_group(ranks)
        for saved in RANKS if rank in ranks else ():
            for way in ("distributed", "file", "none"):
                trained = Trained(group)
                trained.load(Path(os.environ["CHECKPOINTS"], saved), way)
                trace = trained.run(STEPS_BEFORE, STEPS_AFTER)
                report[f"{saved} to {size}, {way}"] = trace
    return report


def unlike_states(rank: int) -> Report:
    """Ranks that were given other states: what raises, and whether histories changed by that."""
    path = Path(os.environ["CHECKPOINTS"], "three", "hook.pt")
    group = dist.group.WORLD
    trained = Trained(group)
    before = trained.handle.state_dict()
    trained.run(0, 1)
    later = trained.handle.state_dict()
    saved = torch.load(path, weights_only=True)
    damaged = torch.load(path, weights_only=True)
    next(state[0] for state in damaged["histories"].values() if state)[100] ^= 1
    short = saved | {"histories": dict(list(saved["histories"].items())[1:])}

    def loaded(given: Any) -> Report:
        trained.handle.load_state_dict(later)
        error = error_of(lambda: trained.handle.load_state_dict(given))
        state = trained.handle.state_dict()
        known = {"later": later, "saved": saved}
        return {"error": error, "is": [name for name in known if same(state, known[name])]}

    return {
        "nobody has one": loaded(None),
        "one has one": loaded(saved if rank == 1 else None),
        "one has none": loaded(None if rank == 0 else saved),
        "another one": loaded(before if rank == 1 else saved),
        "damaged": loaded(damaged if rank == 2 else saved),
        "damaged for those who have none": loaded(damaged if rank == 1 else None),
        "preset": loaded(saved | {"preset": "max"} if rank == 0 else saved),
        "parameters": loaded(short),
        "no state": loaded({} if rank == 1 else saved),
    }


def same(one: Any, other: Any) -> bool:
    histories = zip(one["histories"].values(), other["histories"].values(), strict=True)
    return all(len(a) == len(b) and all(map(torch.equal, a, b)) for a, b in histories)


class Backwards(nn.Module):
    """Uses its layers in another order than it lists them, so that DDP rebuilds its buckets."""

    def __init__(self) -> None:
        super().__init__()
        widths = [(90, 70), (64, 80), (80, 90)]
        self.layers = nn.ModuleList(nn.Linear(*width) for width in widths)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for index in (1, 2, 0):
            x = self.layers[index](x).tanh()
        return x


def rebuild(rank: int) -> Report:
    """Whether histories are those of each parameter's own averages."""
    ddp = DistributedDataParallel(Backwards(), bucket_cap_mb=0.01)
    handle = lmgc_torch.register(ddp, "fast")
    parameters = list(ddp.parameters())
    expected = make_histories("fast", [parameter.shape for parameter in parameters])
    for turn in range(4):
        seed = torch.Generator().manual_seed(100 * rank + turn)
        ddp.zero_grad()
        ddp(torch.randn(32, 64, generator=seed)).square().mean().backward()
        for parameter, history in zip(parameters, expected, strict=True):
            if history is not None:
                history.observe(parameter.grad.flatten())
    logged = ddp.logger._get_ddp_logging_data().strs_map
    return {
        "buckets": logged["bucket_sizes"],
        "rebuilt": logged["rebuilt_bucket_sizes"],
        "steps": [history.steps for history in expected if history is not None],
        "same": [
            None if own is None else own.fingerprint == history.fingerprint
            for own, history in zip(
                handle._state._histories["fast"].values(), expected, strict=True
            )
        ],
    }
