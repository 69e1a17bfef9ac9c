"""Ways to average gradients that the network benchmark compares."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from torch import Tensor
from torch._C._distributed_c10d import GradBucket
from torch.distributed.algorithms.ddp_comm_hooks import default_hooks, powerSGD_hook
from torch.futures import Future
from torch.nn.parallel import DistributedDataParallel

import lmgc_torch

BASELINE = "plain"
ALONE = "none"


@dataclass
class Timeline:
    """Sends nothing, and notes when DDP had each bucket ready: seconds of the monotonic clock."""

    ready: list[tuple[float, int]] = field(default_factory=list)  # and the bucket's bytes

    def __call__(self, _: object, bucket: GradBucket) -> Future[Tensor]:
        self.ready.append((time.monotonic(), bucket.buffer().nbytes))
        future: Future[Tensor] = Future()
        future.set_result(bucket.buffer())
        return future


Installed = lmgc_torch.Handle | Timeline | None
Install = Callable[[DistributedDataParallel], Installed]


@dataclass(frozen=True)
class Method:
    """How DDP gets it; `lossless` ones must not change what ranks average."""

    install: Install
    lossless: bool
    ddp: Mapping[str, Any] = field(default_factory=dict)  # arguments of DDP that it needs


def nothing(_: DistributedDataParallel) -> None:
    """Plain DDP."""


def timeline(ddp: DistributedDataParallel) -> Timeline:
    noted = Timeline()
    # By name, since DDP checks the annotations of the function it is given.
    ddp.register_comm_hook(None, lambda state, bucket: noted(state, bucket))
    return noted


def builtin(hook: Callable[..., Future[Tensor]], ddp: DistributedDataParallel) -> None:
    ddp.register_comm_hook(None, hook)


def power_sgd(ddp: DistributedDataParallel) -> None:
    """Rank 4 with its other settings as they are, but from the second step on."""
    state = powerSGD_hook.PowerSGDState(None, matrix_approximation_rank=4, start_powerSGD_iter=2)
    ddp.register_comm_hook(state, powerSGD_hook.powerSGD_hook)


def ours(preset: str) -> Method:
    return Method(partial(lmgc_torch.register, preset=preset), lossless=True)


METHODS = {
    BASELINE: Method(nothing, lossless=True),
    "fp16": Method(partial(builtin, default_hooks.fp16_compress_hook), lossless=False),
    "bf16": Method(partial(builtin, default_hooks.bf16_compress_hook), lossless=False),
    # On gloo its buckets' collectives may come in another order on each rank: it gets one bucket.
    "PowerSGD": Method(power_sgd, lossless=False, ddp={"bucket_cap_mb": 10_000}),
    "fast": ours("fast"),
    "balanced": ours("balanced"),
    "max": ours("max"),
    "auto": ours("auto"),
    ALONE: Method(timeline, lossless=False),
}
