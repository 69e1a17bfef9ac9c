"""Scenarios of training that goes well: same as plain DDP, and same on every rank."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.distributed as dist

import lmgc_torch
from ddp_basics import Report, step, wrapped
from ddp_registration import registration_errors
from ddp_training import CASES, Case, Deep, Mixed, Special, Wide, bits, data, same, train


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


def on_gpu(rank: int) -> Report:
    """Both ranks on one device, whose streams run beside each other."""
    report: Report = {}
    for name in ("plain", "no_sync_bucket_view", "small_buckets", "mixed", "balanced", "units"):
        case = replace(CASES[name], device="cuda")
        expected, _ = train(case, None, hooked=False)
        report[name] = same(expected, train(case, None, hooked=True)[0])
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
        report["identical_by_units"] = identical(Case(net=Deep), three, steps=5)
    report["denormals"] = averages_agree_when_one_rank_flushes_denormals(rank)
    report["errors"] = registration_errors(rank)
    return report


def identical(case: Case, group: dist.ProcessGroup, **options: int) -> bool:
    trained, _ = train(case, group, hooked=True, **options)
    numbers = torch.cat([tensor.flatten() for tensor in trained if tensor is not None])
    everywhere = [torch.empty_like(numbers) for _ in range(group.size())]
    dist.all_gather(everywhere, numbers, group=group)
    return all(torch.equal(numbers, other) for other in everywhere)


def averages_agree_when_one_rank_flushes_denormals(rank: int) -> bool:
    torch.set_flush_denormal(rank == 0)
    ddp = wrapped(Special())
    lmgc_torch.register(ddp, "fast")
    step(ddp, data(rank, 0), 0)
    torch.set_flush_denormal(False)
    own = bits(ddp.module.weight.grad)
    everywhere = [torch.empty_like(own) for _ in range(dist.get_world_size())]
    dist.all_gather(everywhere, own)
    return all(torch.equal(own, other) for other in everywhere)


def in_rank_order(rank: int, group: dist.ProcessGroup) -> bool:
    torch.manual_seed(1)
    ddp = wrapped(process_group=group)
    lmgc_torch.register(ddp, "fast")
    with ddp.no_sync():
        step(ddp)
    own = ddp.module.weight.grad.clone()
    everyone = [torch.empty_like(own) for _ in range(3)]
    dist.all_gather(everyone, own, group=group)
    ddp.zero_grad()
    step(ddp)
    expected = (everyone[0] / 3 + everyone[1] / 3) + everyone[2] / 3
    return torch.equal(bits(expected), bits(ddp.module.weight.grad))
