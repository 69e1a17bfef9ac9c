"""Many steps of ranks that never keep the same pace."""

from __future__ import annotations

import hashlib
import random
import time

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

import lmgc_torch
from ddp_basics import Report
from ddp_training import Wide, data

REGISTRATIONS = 5
STEPS_EACH = 200
STEPS_BETWEEN_DIGESTS = 50


def endurance(rank: int) -> Report:
    """Digests of parameters and histories on the way."""
    torch.manual_seed(0)
    net = Wide()
    together, alone = random.Random(0), random.Random(1 + rank)

    def dawdle(*_: object) -> None:
        if alone.random() < 0.02:
            time.sleep(0.005 * alone.random())

    for layer in net.layers:
        layer.register_forward_hook(dawdle)
    for parameter in net.parameters():
        parameter.register_hook(dawdle)
    digests = []
    for _ in range(REGISTRATIONS):
        torch.set_num_threads(alone.randint(1, 3))
        ddp = DistributedDataParallel(
            net,
            bucket_cap_mb=together.choice([0.001, 0.01, 0.03, 25]),
            gradient_as_bucket_view=together.random() < 0.5,
        )
        handle = lmgc_torch.register(ddp, "fast")
        optimizer = torch.optim.SGD(ddp.parameters(), lr=0.05, momentum=0.9)
        for turn in range(STEPS_EACH):
            if together.random() < 0.2:
                with ddp.no_sync():
                    loss_of(ddp, rank, turn).backward()
            loss_of(ddp, rank, turn).backward()
            optimizer.step()
            optimizer.zero_grad()
            if (turn + 1) % STEPS_BETWEEN_DIGESTS == 0:
                digests.append(digest(net, handle))
    return {"digests": digests}


def loss_of(ddp: DistributedDataParallel, rank: int, turn: int) -> torch.Tensor:
    loss: torch.Tensor = ddp(data(rank, turn), turn).square().mean()
    return loss


def digest(net: nn.Module, handle: lmgc_torch.Handle) -> str:
    hashed = hashlib.sha256()
    for parameter in net.parameters():
        hashed.update(parameter.detach().numpy().tobytes())
    for history in handle._state._histories["fast"].values():
        hashed.update(b"" if history is None else history.state())
    return hashed.hexdigest()
