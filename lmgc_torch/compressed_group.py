"""A process group whose sums and gathers are compressed, for code that calls torch.distributed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist

from lmgc_torch.codec import Codec
from lmgc_torch.collectives import (
    all_gather,
    all_gather_into_tensor,
    all_reduce,
    reduce_scatter,
    reduce_scatter_tensor,
)
from lmgc_torch.work import Tensors

__all__ = ["CompressedGroup"]


class CompressedGroup(dist.ProcessGroup):
    """A group on which torch.distributed's collectives are lmgc_torch's, lossless.

    PyTorch's PowerSGD sends its factors through the codec this way:

        state = PowerSGDState(lmgc_torch.CompressedGroup(), matrix_approximation_rank=4)
        ddp.register_comm_hook(state, powerSGD_hook)

    all_reduce, all_gather, all_gather_into_tensor, reduce_scatter and reduce_scatter_tensor of
    dense tensors on the CPU or a GPU, SUM and AVG, are those of lmgc_torch, which say what they
    raise. All else goes as it is over the backends of `wrapped`. It ends with
    `destroy_process_group()`, as the groups of torch.distributed do.

    Args:
        wrapped: whose ranks and backends are used; None: the default group.
        codec: a preset, or a `Codec` made with the same options on all ranks.

    Raises:
        ValueError: there is no process group, or this rank is not in it.
    """

    def __init__(
        self, wrapped: dist.ProcessGroup | None = None, codec: str | Codec = "fast"
    ) -> None:
        wrapped = wrapped or dist.group.WORLD
        if not isinstance(wrapped, dist.ProcessGroup):
            raise ValueError(
                "no process group of this rank's; call torch.distributed.init_process_group(), and "
                "wrap a group on its own ranks alone"
            )
        super().__init__(wrapped.rank(), wrapped.size())  # type: ignore[call-arg]
        self.wrapped = wrapped
        self.codec = codec
        for device in wrapped._device_types:
            backend = wrapped._get_backend(device)
            kind = getattr(self.BackendType, backend.name().upper(), self.BackendType.CUSTOM)
            self._register_backend(device, kind, backend)
        world = dist.distributed_c10d._world  # where torch.distributed looks up names and ranks
        world.pg_map[self] = world.pg_map[wrapped]
        world.pg_group_ranks[self] = world.pg_group_ranks[wrapped]

    # What torch.distributed calls, by its names and with its `opts`.

    def allreduce(  # type: ignore[override]
        self, tensors: Tensors, opts: Any
    ) -> dist.Work | None:
        if not _takes(tensors[0], opts.reduceOp):
            return self.wrapped.allreduce(tensors, opts)
        op = opts.reduceOp
        return all_reduce(tensors[0], op, self.wrapped, True, codec=self.codec)

    def allgather(  # type: ignore[override]
        self, outputs: list[Tensors], inputs: Tensors, opts: Any
    ) -> dist.Work | None:
        if not _takes(inputs[0]):
            return self.wrapped.allgather(outputs, inputs, opts)
        return all_gather(outputs[0], inputs[0], self.wrapped, True, codec=self.codec)

    def _allgather_base(  # type: ignore[override]
        self, output: torch.Tensor, input: torch.Tensor, opts: Any
    ) -> dist.Work | None:
        if not _takes(input):
            return self.wrapped._allgather_base(output, input, opts)
        return all_gather_into_tensor(output, input, self.wrapped, True, codec=self.codec)

    def reduce_scatter(  # type: ignore[override]
        self, outputs: Tensors, inputs: list[Tensors], opts: Any
    ) -> dist.Work | None:
        if not _takes(outputs[0], opts.reduceOp):
            return self.wrapped.reduce_scatter(outputs, inputs, opts)
        op = opts.reduceOp
        return reduce_scatter(outputs[0], inputs[0], op, self.wrapped, True, codec=self.codec)

    def _reduce_scatter_base(  # type: ignore[override]
        self, output: torch.Tensor, input: torch.Tensor, opts: Any
    ) -> dist.Work | None:
        if not _takes(output, opts.reduceOp):
            return self.wrapped._reduce_scatter_base(output, input, opts)
        op = opts.reduceOp
        return reduce_scatter_tensor(output, input, op, self.wrapped, True, codec=self.codec)


def _takes(tensor: torch.Tensor, op: Any = dist.ReduceOp.SUM) -> bool:
    known = any(op == one for one in (dist.ReduceOp.SUM, dist.ReduceOp.AVG))
    return known and (tensor.is_cpu or tensor.is_cuda) and tensor.layout == torch.strided


def _passed_on(name: str) -> Callable[..., Any]:
    def method(self: CompressedGroup, *args: Any, **kwargs: Any) -> Any:
        return getattr(self.wrapped, name)(*args, **kwargs)

    return method


# The base class would hold the GIL in these, and gloo's threads wait for it with a lock that
# barrier wants.
for _name in (
    "allgather_coalesced",
    "allgather_into_tensor_coalesced",
    "allreduce_coalesced",
    "alltoall",
    "alltoall_base",
    "barrier",
    "broadcast",
    "gather",
    "monitored_barrier",
    "recv",
    "recv_anysource",
    "reduce",
    "reduce_scatter_tensor_coalesced",
    "scatter",
    "send",
):
    setattr(CompressedGroup, _name, _passed_on(_name))
