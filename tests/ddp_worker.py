"""One rank of a scenario: python ddp_worker.py SCENARIO RANK WORLD_SIZE FOLDER."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

import lmgc_torch
from ddp_attacks import attacks, gone
from ddp_collectives import (
    collective_errors,
    collective_gone,
    collectives,
)
from ddp_hostile import register_hostile
from ddp_python_hook import python_hook
from ddp_training import (
    CASES,
    WIDTH,
    Branches,
    Case,
    Mixed,
    Special,
    Wide,
    bits,
    data,
    same,
    train,
)
from ddp_wire import by_hosts, profiled, shared

__all__ = [  # scenarios of other files
    "attacks",
    "by_hosts",
    "collective_errors",
    "collective_gone",
    "collectives",
    "gone",
    "profiled",
    "python_hook",
    "shared",
]

TIMEOUT_SECONDS = 15
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


def training(rank: int) -> Report:
    """Every case, without and with the hook."""
    report: Report = {}
    for name, case in CASES.items():
        expected, _ = train(case, None, hooked=False)
        trained, stats = train(case, None, hooked=True)
        assert stats is not None
        report[name] = {
            "same": same(expected, trained),
            "buckets": len(stats.buckets),
            "averaged": stats.total.buckets,
            "raw_bytes": stats.total.raw_bytes,
            "payload_bytes": stats.total.payload_bytes,
            "sent_bytes": stats.total.sent_bytes,
        }
    return report


def groups(rank: int) -> Report:
    """Two groups of two at once, then three ranks; rank 0 has a group more than the others."""
    halves = [dist.new_group([0, 1]), dist.new_group([2, 3])]
    dist.new_group([0])
    three = dist.new_group([0, 1, 2])
    report: Report = {}
    expected, _ = train(Case(), halves[rank // 2], hooked=False)
    trained, _ = train(Case(), halves[rank // 2], hooked=True)
    report["halves"] = same(expected, trained)
    if rank < 3:
        report["rank_order"] = in_rank_order(rank, three)
        report["identical"] = identical(Case(net=Mixed), three)
        report["identical_with_history"] = identical(Case(net=Wide), three, steps=100)
        report["checkpoint"] = goes_on_from_a_checkpoint(rank, three)
    report["denormals"] = averages_agree_when_one_rank_flushes_denormals(rank)
    report["errors"] = registration_errors(rank)
    return report


def identical(case: Case, group: dist.ProcessGroup, **options: int) -> bool:
    trained, _ = train(case, group, hooked=True, **options)
    numbers = torch.cat([tensor.flatten() for tensor in trained if tensor is not None])
    everywhere = [torch.empty_like(numbers) for _ in range(group.size())]
    dist.all_gather(everywhere, numbers, group=group)
    return all(torch.equal(numbers, other) for other in everywhere)


def goes_on_from_a_checkpoint(rank: int, group: dist.ProcessGroup) -> Report:
    """Payload bytes of a step after a checkpoint with and without its history; what a rank that
    alone forgot its history raises on all."""
    torch.manual_seed(0)
    ddp = wrapped(Wide(), process_group=group)
    handle = lmgc_torch.register(ddp)
    report: Report = {}
    for turn in range(5):
        step(ddp, data(rank, turn), turn)
    state = handle.state_dict()
    sizes = {}
    for name, history in (("with", state), ("without", None)):
        resumed = wrapped(Wide(), process_group=group)
        resumed.module.load_state_dict(ddp.module.state_dict())
        handle = lmgc_torch.register(resumed)
        if history is not None:
            handle.load_state_dict(history)
        step(resumed, data(rank, 9), 9)
        sizes[name] = handle.stats().total.payload_bytes
    report["sizes"] = sizes
    if rank == 1:
        handle.load_state_dict(state)
    report["error"] = error_of(lambda: step(resumed, data(rank, 10), 10))
    return report


def averages_agree_when_one_rank_flushes_denormals(rank: int) -> bool:
    torch.set_flush_denormal(rank == 0)
    ddp = wrapped(Special())
    lmgc_torch.register(ddp)
    step(ddp, data(rank, 0), 0)
    torch.set_flush_denormal(False)
    own = bits(ddp.module.weight.grad)
    everywhere = [torch.empty_like(own) for _ in range(dist.get_world_size())]
    dist.all_gather(everywhere, own)
    return all(torch.equal(own, other) for other in everywhere)


def in_rank_order(rank: int, group: dist.ProcessGroup) -> bool:
    torch.manual_seed(1)
    ddp = wrapped(process_group=group)
    lmgc_torch.register(ddp)
    with ddp.no_sync():
        step(ddp)
    own = ddp.module.weight.grad.clone()
    everyone = [torch.empty_like(own) for _ in range(3)]
    dist.all_gather(everyone, own, group=group)
    ddp.zero_grad()
    step(ddp)
    expected = (everyone[0] / 3 + everyone[1] / 3) + everyone[2] / 3
    return torch.equal(bits(expected), bits(ddp.module.weight.grad))


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


class Embedded(nn.Module):
    def __init__(self, sparse: bool) -> None:
        super().__init__()
        self.embedding = nn.Embedding(10, WIDTH, sparse=sparse)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.embedding(x)


def faults(rank: int) -> Report:
    """Each on a net of its own; after each error, training goes on with a fresh one."""
    report: Report = {}
    words = torch.arange(10)
    ddp = wrapped(Embedded(sparse=rank == 1))
    lmgc_torch.register(ddp)
    report["sparse"] = error_of(lambda: step(ddp, words))
    report["sparse_again"] = error_of(lambda: step(ddp, words))

    cap = 0.0005 if rank == 1 else 25
    ddp = wrapped(Branches(), bucket_cap_mb=cap, find_unused_parameters=True)
    lmgc_torch.register(ddp)
    report["layout"] = error_of(lambda: step(ddp, data(rank, 0), 0))

    for attack in ("huge", "negative", "damaged", "truncated"):
        ddp = wrapped()
        if rank == 1:
            register_hostile(ddp, attack)
        else:
            lmgc_torch.register(ddp)
        report[attack] = error_of(lambda ddp=ddp: step(ddp))

    ddp = wrapped()
    lmgc_torch.register(ddp, timeout=timedelta(seconds=2))
    if rank == 0:
        report["silent"] = error_of(lambda: step(ddp))
    dist.barrier()

    expected, _ = train(Case(), None, hooked=False, steps=3)
    trained, _ = train(Case(), None, hooked=True, steps=3)
    report["after"] = same(expected, trained)

    ddp = wrapped()
    lmgc_torch.register(ddp)
    step(ddp)
    if rank == 1:
        dist.destroy_process_group()
        rank_data = data(1, 0)
        report["destroyed"] = error_of(lambda: step(ddp, rank_data))
    else:
        report["destroyed"] = error_of(lambda: step(ddp))
    return report


def language_model(rank: int) -> Report:
    """Preset paper with the model files of MODELS: first the same on each rank, then one each."""
    same_file, *own_files = os.environ["MODELS"].split(os.pathsep)
    report: Report = {}

    def trained(hooked: bool) -> torch.Tensor:
        torch.manual_seed(0)
        ddp = wrapped(Embedded(sparse=False))
        handle = None
        if hooked:
            handle = lmgc_torch.register(ddp, "paper", model=same_file, window=256)
        optimizer = torch.optim.SGD(ddp.parameters(), lr=0.05)
        for word in range(3):
            optimizer.zero_grad()
            step(ddp, torch.tensor([word + rank]))
            optimizer.step()
        if handle is not None:
            report["rate"] = handle.stats().total.rate
        return bits(ddp.module.embedding.weight)

    report["same"] = torch.equal(trained(hooked=False), trained(hooked=True))
    for name, files in (("differ", own_files), ("missing", [same_file, "/none"])):
        report[name] = error_of(
            lambda files=files: lmgc_torch.register(
                wrapped(), "paper", model=files[rank], window=256
            )
        )
    return report


class Dies(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        if dist.get_rank() == 1:
            write({"exit_code": 3})
            os._exit(3)
        return gradient


class Dying(nn.Module):
    """Rank 1 ends in the middle of backward, after the last layer's bucket is on its way."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(WIDTH, 500)
        self.second = nn.Linear(500, 500)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(Dies.apply(self.first(x)))


def killed(rank: int) -> Report:
    ddp = wrapped(Dying(), bucket_cap_mb=0.001)
    lmgc_torch.register(ddp)
    start = time.monotonic()
    message = error_of(lambda: step(ddp))
    later = error_of(lambda: step(ddp))
    return {"error": message, "later": later, "seconds": time.monotonic() - start}


def unfinished(rank: int) -> Report:
    """Rank 0 ends while its bucket waits for rank 1, which ends only after it."""
    ddp = wrapped()
    lmgc_torch.register(ddp, timeout=timedelta(minutes=5))
    others = [0, 0]
    dist.all_gather_object(others, os.getpid())
    if rank == 0:
        ddp.reducer._run_comm_hook(ddp.reducer._get_zeros_like_grad_buckets()[0])
        return {}
    with suppress(ProcessLookupError):
        while True:
            os.kill(others[0], 0)
            time.sleep(0.1)
    return {}


def fsdp(rank: int) -> Report:
    from ddp_fsdp import sharded  # FSDP takes seconds to load

    return sharded(rank)


def hsdp(rank: int) -> Report:
    from ddp_fsdp import replicated

    return replicated(rank)


def write(report: Report) -> None:
    path = Path(sys.argv[4], f"report{sys.argv[2]}")
    path.write_text(json.dumps(report))


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
    write(globals()[scenario](int(rank)))


if __name__ == "__main__":
    main()
