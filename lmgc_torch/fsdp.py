"""Compressed gradients for modules of torch.distributed.fsdp.fully_shard."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import DeviceMesh

from lmgc_torch.codec import Codec
from lmgc_torch.collectives import (
    Op,
    all_gather_into_tensor,
    all_reduce,
    members_of,
    reduce_scatter_tensor,
)

__all__ = ["register_fsdp"]

_CPU = torch.device("cpu")


def register_fsdp(
    module: nn.Module,
    preset: str = "fast",
    *,
    replicas: dist.ProcessGroup | DeviceMesh | None = None,
    parameters: bool = False,
    **options: Any,
) -> Codec:
    """Makes `module`, and the FSDP modules in it, send their gradients compressed, lossless.

    Call it on every rank, after fully_shard on a mesh of one dimension and before the first
    backward. Reduce-scatters have no history, since no other rank knows a shard's average.

    Args:
        replicas: the ranks that hold the same shard (HSDP). They average it after the
            reduce-scatter, with history: all of them know the average.
        parameters: all-gathers of parameters are compressed too.
        options: those of `lmgc_torch.Codec`.

    Returns:
        The codec that keeps the history: its state_dict() goes into a checkpoint, for each shard.

    Raises:
        TypeError: `module` is no FSDP module, or is on a device that is neither CPU nor GPU.
        ValueError: an option that does not exist, or a mesh of two dimensions. PyTorch averages
            over a mesh (replicate, shard) by itself, before any hook; see the message.
        RuntimeError: ranks have other versions. Other options or models raise in backward.
    """
    groups = _parameter_groups(module)
    if isinstance(replicas, DeviceMesh):
        replicas = replicas.get_group()
    shapes = [shape for group in groups for shape in group.shapes]
    codec = Codec(preset, shapes=None if replicas is None else shapes, **options)
    no_history = _part(codec, 0, 0)
    meeting = [(group.ranks, group.device) for group in groups]
    if replicas is not None:
        meeting += [(replicas, group.device) for group in groups]
    for ranks, device in dict.fromkeys(meeting):  # in this order on every rank
        members_of(ranks, device)
    start = 0
    for group in groups:
        group.module.set_custom_reduce_scatter(_ReduceScatter(no_history))
        if parameters:
            group.module.set_custom_all_gather(_AllGather(no_history))
        if replicas is not None:
            part = _part(codec, start, start + len(group.shapes))
            average = _averaging(replicas, part, no_history, group.values)
            group.module.set_all_reduce_hook(average)
        start += len(group.shapes)
    return codec


@dataclass(frozen=True)
class _ParameterGroup:
    """Parameters that FSDP sends together."""

    module: Any  # an FSDPModule that has them
    parameters: list[Any]  # DTensors

    @property
    def ranks(self) -> dist.ProcessGroup:
        group: dist.ProcessGroup = self.parameters[0].device_mesh.get_group()
        return group

    @property
    def device(self) -> torch.device:
        """Of what FSDP sends: parameters may be elsewhere, while they are offloaded."""
        kind: str = self.parameters[0].device_mesh.device_type
        return torch.device(kind, torch.cuda.current_device()) if kind == "cuda" else _CPU

    @property
    def shapes(self) -> list[list[int]]:
        """Of the shards of gradients, as FSDP pads and sends them."""
        shapes = []
        for parameter in self.parameters:
            if parameter.requires_grad:
                shape, dim = list(parameter.shape), parameter.placements[0].dim
                shape[dim] = math.ceil(shape[dim] / parameter.device_mesh.size())
                shapes.append(shape)
        return shapes

    @property
    def values(self) -> int:
        return sum(map(math.prod, self.shapes))


def _parameter_groups(module: nn.Module) -> list[_ParameterGroup]:
    # They take seconds to load, and whoever has such modules has loaded them.
    from torch.distributed.fsdp import FSDPModule
    from torch.distributed.tensor import DTensor

    if not isinstance(module, FSDPModule):
        raise TypeError(
            f"lmgc_torch.register_fsdp: expected a module of fully_shard, got "
            f"{type(module).__name__}; call fully_shard(module) first"
        )
    together: dict[int, list[nn.Module]] = {}  # fully_shard([one, other]) gives both one state
    for some in module.modules():
        if isinstance(some, FSDPModule):
            state = some._get_fsdp_state()
            together.setdefault(id(state), []).append(some)
    groups = []
    for modules in together.values():
        parameters = [p for p in _managed(modules) if isinstance(p, DTensor)]
        for parameter in parameters:
            _check(parameter)
        if parameters:
            groups.append(_ParameterGroup(modules[0], parameters))
    return groups


def _managed(roots: Sequence[nn.Module]) -> Iterator[nn.Parameter]:
    """Parameters of `roots` but for those of other FSDP modules in them, in FSDP's order."""
    from torch.distributed.fsdp import FSDPModule

    seen: set[nn.Module | nn.Parameter] = set()

    def visit(module: nn.Module) -> Iterator[nn.Parameter]:
        seen.add(module)
        for child in module.children():
            if child not in seen and (child in roots or not isinstance(child, FSDPModule)):
                yield from visit(child)
        for parameter in module.parameters(recurse=False):
            if parameter not in seen:
                seen.add(parameter)
                yield parameter

    for root in roots:
        yield from visit(root)


def _check(parameter: Any) -> None:
    mesh = parameter.device_mesh
    if mesh.ndim != 1:
        raise ValueError(
            f"lmgc_torch.register_fsdp: parameters are on a mesh {mesh.mesh_dim_names or ''} of "
            f'{mesh.ndim} dimensions; for HSDP use fully_shard(module, mesh=mesh["shard"]) and '
            'register_fsdp(module, replicas=mesh["replicate"])'
        )
    if mesh.device_type not in ("cpu", "cuda"):
        raise TypeError(
            f"lmgc_torch.register_fsdp: parameters are on a mesh of {mesh.device_type}; only those "
            "on CPUs or GPUs are supported yet"
        )


def _part(codec: Codec, start: int, end: int) -> Codec:
    """For some of the codec's parameters, with their history."""
    part = copy.copy(codec)
    part._parameters = codec._parameters[start:end]
    part._histories = codec._histories[start:end]
    return part


def _averaging(
    replicas: dist.ProcessGroup, codec: Codec, no_history: Codec, values: int
) -> Callable[[torch.Tensor], None]:
    def average(shards: torch.Tensor) -> None:
        # FSDP leaves out parameters that got no gradient, and does not say which.
        chosen = codec if shards.numel() == values else no_history
        all_reduce(shards, dist.ReduceOp.AVG, replicas, codec=chosen)

    return average


class _Comm:
    """Memory for FSDP's collectives."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec

    def allocate(
        self, size: Sequence[int], *, dtype: torch.dtype, device: torch.device
    ) -> torch.Tensor:
        return torch.empty(*size, dtype=dtype, device=device)


class _ReduceScatter(_Comm):
    def __call__(
        self,
        output_tensor: torch.Tensor,
        input_tensor: torch.Tensor,
        group: dist.ProcessGroup,
        op: Op,
        async_op: bool = False,
    ) -> dist.Work | None:
        return reduce_scatter_tensor(
            output_tensor, input_tensor, op, group, async_op, codec=self._codec
        )


class _AllGather(_Comm):
    def __call__(
        self,
        output_tensor: torch.Tensor,
        input_tensor: torch.Tensor,
        group: dist.ProcessGroup,
        async_op: bool = False,
    ) -> dist.Work | None:
        return all_gather_into_tensor(
            output_tensor, input_tensor, group, async_op, codec=self._codec
        )
