"""Scenarios of FSDP and HSDP, with and without compression."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard

import lmgc_torch
from ddp_training import bits, same
from lmgc_torch.fsdp import _parameter_groups

Report = dict[str, Any]


class Net(nn.Module):
    """Groups of layers, some of which shard unevenly, and one layer that is left out at times."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(11, 24)
        self.first = nn.Sequential(nn.Linear(24, 190), nn.LayerNorm(190))
        self.second, self.third = nn.Linear(190, 141), nn.Linear(190, 141)
        self.frozen = nn.Linear(141, 141).requires_grad_(False)
        self.at_times = nn.Linear(141, 141)
        self.head = nn.Linear(141, 3)

    def forward(self, words: torch.Tensor, turn: int) -> torch.Tensor:
        x = self.first(self.embedding(words)).tanh()
        x = self.frozen(self.second(x) + self.third(x).tanh())
        return self.head(self.at_times(x) if turn % 3 == 0 else x)


def sharded_net(mesh: DeviceMesh, **arguments: Any) -> Net:
    torch.manual_seed(0)
    net = Net()
    fully_shard(net.first, mesh=mesh, **arguments)
    fully_shard([net.second, net.third], mesh=mesh, **arguments)
    fully_shard(net, mesh=mesh, **arguments)
    return net


def trained(net: Net, steps: int, accumulate: int = 1) -> Iterator[list[torch.Tensor | None]]:
    """Bits of the shards of all gradients and parameters after each step."""
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    random = torch.Generator().manual_seed(dist.get_rank())
    device = next(net.parameters()).device
    for turn in range(steps):
        optimizer.zero_grad()
        for micro in range(accumulate):
            net.set_requires_gradient_sync(micro == accumulate - 1)
            words = torch.randint(0, 11, (16,), generator=random).to(device)
            net(words, turn).square().mean().backward()
        gradients = [None if p.grad is None else bits(p.grad.to_local()) for p in net.parameters()]
        optimizer.step()
        yield gradients + [bits(p.to_local()) for p in net.parameters()]


def in_fsdps_order(net: Net) -> bool:
    """As PyTorch lists parameters in private."""
    modules = [module for module in net.modules() if isinstance(module, FSDPModule)]
    theirs = {id(state): state for state in (module._get_fsdp_state() for module in modules)}
    return [group.parameters for group in _parameter_groups(net)] == [
        [p.sharded_param for p in state._fsdp_param_group.fsdp_params] for state in theirs.values()
    ]


CASES: dict[str, dict[str, Any]] = {
    "float32": {},
    "bfloat16": {"mp_policy": MixedPrecisionPolicy(param_dtype=torch.bfloat16)},
    "float16": {"mp_policy": MixedPrecisionPolicy(param_dtype=torch.float16)},
    "reduced in float32": {
        "mp_policy": MixedPrecisionPolicy(torch.bfloat16, reduce_dtype=torch.float32)
    },
    "not resharded": {"reshard_after_forward": False},
}


def sharded(rank: int, device: str = "cpu", cases: Iterable[str] = CASES) -> Report:
    """FSDP over all ranks: whether each step has the bits of the same without compression."""
    mesh = init_device_mesh(device, (dist.get_world_size(),))
    report: Report = {"order": in_fsdps_order(sharded_net(mesh))}
    for name in cases:
        arguments = CASES[name]
        for parameters in (False, True):
            net = sharded_net(mesh, **arguments)
            before = lmgc_torch.collective_counters(mesh.get_group())
            lmgc_torch.register_fsdp(net, parameters=parameters)
            accumulate = 2 if parameters else 1
            expected = trained(sharded_net(mesh, **arguments), 4, accumulate)
            report[f"{name}, {parameters}"] = {
                "same": all(map(same, expected, trained(net, 4, accumulate))),
                "calls": (lmgc_torch.collective_counters(mesh.get_group()) - before).buckets,
            }
    report["error"] = ""
    try:
        lmgc_torch.register_fsdp(nn.Linear(2, 2))  # type: ignore[arg-type]
    except TypeError as error:
        report["error"] = str(error)
    return report


def replicated(rank: int, device: str = "cpu", cases: Iterable[str] = CASES) -> Report:
    """HSDP of two replicas: the same, and payload bytes by step."""
    sizes = (2, dist.get_world_size() // 2)
    mesh = init_device_mesh(device, sizes, mesh_dim_names=("replicate", "shard"))
    group = mesh["replicate"].get_group()
    report: Report = {}
    for name in cases:
        arguments = CASES[name]
        net = sharded_net(mesh["shard"], **arguments)
        codec = lmgc_torch.register_fsdp(net, replicas=mesh["replicate"])
        good, sent = True, [lmgc_torch.collective_counters(group).payload_bytes]
        for expected, bits_now in zip(
            trained(sharded_net(mesh, **arguments), 8), trained(net, 8), strict=True
        ):
            good = good and same(expected, bits_now)
            sent.append(lmgc_torch.collective_counters(group).payload_bytes)
        sizes = [later - earlier for earlier, later in itertools.pairwise(sent)]
        own = torch.cat([part.flatten() for part in bits_now if part is not None])
        everyone = [torch.empty_like(own) for _ in range(2)]
        dist.all_gather(everyone, own, group=group)
        report[name] = {
            "same": good,
            "identical": torch.equal(*everyone),
            "sizes": sizes,
            "histories": len([1 for history in codec._histories if history and history.steps]),
        }
    report["error"] = ""
    try:
        lmgc_torch.register_fsdp(sharded_net(mesh))
    except ValueError as error:
        report["error"] = str(error)
    return report
