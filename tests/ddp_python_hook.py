"""A scenario of the hook as a Python function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import (
    allreduce_hook,
    bf16_compress_wrapper,
    fp16_compress_wrapper,
)
from torch.nn.parallel import DistributedDataParallel

import lmgc_torch
from ddp_training import Wide, bits, data, same

STEPS = 12
Attach = Callable[[DistributedDataParallel], lmgc_torch.Handle | None]


def trained(attach: Attach) -> tuple[list[torch.Tensor | None], lmgc_torch.Handle | None]:
    torch.manual_seed(0)
    ddp = DistributedDataParallel(Wide(), bucket_cap_mb=0.02)
    handle = attach(ddp)
    optimizer = torch.optim.SGD(ddp.parameters(), lr=0.05, momentum=0.9)
    trace: list[torch.Tensor | None] = []
    for turn in range(STEPS):
        optimizer.zero_grad()
        ddp(data(dist.get_rank(), turn), turn).square().mean().backward()
        trace += [bits(parameter.grad) for parameter in ddp.parameters()]
        optimizer.step()
    return trace + [bits(parameter) for parameter in ddp.parameters()], handle


def python_hook(rank: int) -> dict[str, Any]:
    """Whether it gives the bits of the C++ hook, and in PyTorch's wrappers those of plain DDP."""

    def hooked(wrapper: Callable[..., Any] = lambda hook: hook) -> Attach:
        def attach(ddp: DistributedDataParallel) -> lmgc_torch.Handle:
            state = lmgc_torch.HookState(ddp, "fast")
            ddp.register_comm_hook(state, wrapper(lmgc_torch.compress_hook))
            return state

        return attach

    def plain(wrapper: Callable[..., Any]) -> Attach:
        return lambda ddp: ddp.register_comm_hook(None, wrapper(allreduce_hook))

    expected, cpp = trained(lambda ddp: lmgc_torch.register(ddp, "fast"))
    trace, python = trained(hooked())
    counts = [handle.stats().total.payload_bytes for handle in (cpp, python) if handle]
    report: dict[str, Any] = {"same": same(expected, trace), "payload_bytes": counts}
    wrappers = {"fp16": fp16_compress_wrapper}
    if torch.version.cuda is not None:  # PyTorch refuses the other in builds without
        wrappers["bf16"] = bf16_compress_wrapper
    for name, wrapper in wrappers.items():
        expected, _ = trained(plain(wrapper))
        trace, handle = trained(hooked(wrapper))
        assert handle is not None
        report[name] = {"same": same(expected, trace), "raw": handle.stats().total.raw_bytes}
    report["raw"] = python.stats().total.raw_bytes if python else 0
    return report
