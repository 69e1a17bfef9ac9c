"""Scenarios of `register`: ranks that cannot go along, and language models."""

from __future__ import annotations

import os
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

import lmgc_torch
from ddp_basics import Embedded, Report, error_of, step, wrapped
from ddp_training import WIDTH, bits
from lmgc_torch.stages import Quantize


def registration_errors(rank: int) -> Report:
    """Four ranks, some of which cannot go along."""
    report: Report = {}
    some = rank in (1, 3)

    def attempt(name: str, ddp: DistributedDataParallel, *arguments: str, **options: Any) -> None:
        report[name] = error_of(lambda: lmgc_torch.register(ddp, *arguments, **options))

    attempt("preset", wrapped(), "nonsense" if some else "fast")
    attempt("option", wrapped(), bytes_per_group=2 if some else 4)
    lmgc_torch.handshake.__version__ = "9.9" if some else lmgc_torch.__version__
    attempt("version", wrapped())
    lmgc_torch.handshake.__version__ = lmgc_torch.__version__
    twice = wrapped()
    if some:
        twice._register_builtin_comm_hook(dist.BuiltinCommHookType.ALLREDUCE)
    attempt("builtin", twice)
    double = nn.Linear(WIDTH, 3, dtype=torch.float64 if some else torch.float32)
    attempt("parameters", wrapped(double, init_sync=False))
    attempt("none", wrapped())
    return report


def language_model(rank: int) -> Report:
    """Preset paper with the model files of MODELS: first the same on each rank, then one each."""
    same_file, *own_files = os.environ["MODELS"].split(os.pathsep)
    report: Report = {"rates": []}
    paper = {"preset": "paper", "model": same_file, "window": 256}

    def trained(**options: Any) -> torch.Tensor:
        torch.manual_seed(0)
        ddp = wrapped(Embedded(sparse=False))
        handle = lmgc_torch.register(ddp, **options) if options else None
        optimizer = torch.optim.SGD(ddp.parameters(), lr=0.05)
        for word in range(3):
            optimizer.zero_grad()
            step(ddp, torch.tensor([word + rank]))
            optimizer.step()
        if handle is not None:
            report["rates"].append(handle.stats().total.rate)
        return bits(ddp.module.embedding.weight)

    report["same"] = torch.equal(trained(), trained(**paper))
    quantize = [Quantize(4, scale="row")]
    report["staged"] = torch.equal(
        trained(preset="fast", stages=quantize), trained(**paper, stages=quantize)
    )
    report["priors"] = [
        torch.equal(trained(), trained(**paper, prior=prior)) for prior in ("mixture", "experts")
    ]
    for name, files in (("differ", own_files), ("missing", [same_file, "/none"])):
        report[name] = error_of(
            lambda files=files: lmgc_torch.register(
                wrapped(), "paper", model=files[rank], window=256
            )
        )
    return report
