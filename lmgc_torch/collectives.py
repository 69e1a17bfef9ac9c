"""torch.distributed's collectives, compressed and lossless."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Sequence
from weakref import WeakKeyDictionary

import torch
import torch.distributed as dist

from lmgc_torch import _C
from lmgc_torch.codec import Codec
from lmgc_torch.groups import make_communicator, objects_by, payload_backend, payload_device
from lmgc_torch.handshake import SAME_INSTALLATION, installation, shake_hands
from lmgc_torch.stats import Counters, counters_of
from lmgc_torch.work import CallWork, Tensors

__all__ = [
    "all_gather",
    "all_gather_into_tensor",
    "all_reduce",
    "collective_counters",
    "reduce_scatter",
    "reduce_scatter_tensor",
]

_CALLER = "lmgc_torch"

Op = dist.ReduceOp | dist.ReduceOp.RedOpType
Future = torch.futures.Future[Tensors]


def all_reduce(
    tensor: torch.Tensor,
    op: Op = dist.ReduceOp.SUM,
    group: dist.ProcessGroup | None = None,
    async_op: bool = False,
    *,
    codec: str | Codec = "fast",
) -> dist.Work | None:
    """torch.distributed.all_reduce: the sum or average of all ranks' tensors, in place.

    Sums are made in rank order and in the tensor's dtype; all ranks end with the same bits. A
    `codec` with `shapes` observes each result, so that later calls with it send fewer bytes: they
    wait for each other. Use it for averages of one sequence of gradients.

    A tensor on a GPU goes by way of pinned memory, on streams that wait for the current one; the
    current stream of whoever waits for the result then waits for it. It is coded on the host.

    Args:
        tensor: dense, on the CPU or a GPU, of a float dtype, or for SUM of a signed integer dtype
            or uint8; of any shape, the same on all ranks.
        op: SUM or AVG. AVG divides each tensor by the number of ranks before it adds.
        codec: a preset, or a `Codec` made with the same options on all ranks.
        async_op: returns at once. Leave the tensor alone until the Work is done.

    Returns:
        None, or with `async_op` a Work, whose future holds the tensor in a list. None on a rank
        that is not in `group`.

    Raises:
        RuntimeError: on all ranks alike, from here or from Work.wait(): a tensor or option that is
            not supported on some rank, or that differs between them; the next call goes on. After
            damage on the way or the loss of a rank all later calls raise too.
    """
    return _call(
        lambda members, coding, after: members.all_reduce(tensor, _name(op), coding, after),
        *([tensor], group, async_op, codec),
    )


def all_gather(
    tensor_list: Sequence[torch.Tensor],
    tensor: torch.Tensor,
    group: dist.ProcessGroup | None = None,
    async_op: bool = False,
    *,
    codec: str | Codec = "fast",
) -> dist.Work | None:
    """torch.distributed.all_gather: each rank's `tensor`, into `tensor_list` in rank order.

    A `codec` with `shapes` predicts from what it has observed, and observes nothing. Otherwise as
    all_reduce; every dtype that `Codec` takes.
    """
    return _all_gather(list(tensor_list), tensor, group, async_op, codec)


def all_gather_into_tensor(
    output_tensor: torch.Tensor,
    input_tensor: torch.Tensor,
    group: dist.ProcessGroup | None = None,
    async_op: bool = False,
    *,
    codec: str | Codec = "fast",
) -> dist.Work | None:
    """torch.distributed.all_gather_into_tensor: all_gather, one after another in one tensor."""
    return _all_gather([output_tensor], input_tensor, group, async_op, codec)


def reduce_scatter(
    output: torch.Tensor,
    input_list: Sequence[torch.Tensor],
    op: Op = dist.ReduceOp.SUM,
    group: dist.ProcessGroup | None = None,
    async_op: bool = False,
    *,
    codec: str | Codec = "fast",
) -> dist.Work | None:
    """torch.distributed.reduce_scatter: the sum or average of all ranks' `input_list[rank]`.

    `codec` has no `shapes`: nobody but this rank knows its result, so there is no history to
    share. Otherwise as all_reduce.
    """
    return _reduce_scatter(output, list(input_list), op, group, async_op, codec)


def reduce_scatter_tensor(
    output: torch.Tensor,
    input: torch.Tensor,
    op: Op = dist.ReduceOp.SUM,
    group: dist.ProcessGroup | None = None,
    async_op: bool = False,
    *,
    codec: str | Codec = "fast",
) -> dist.Work | None:
    """torch.distributed.reduce_scatter_tensor: reduce_scatter, of equal parts of one tensor."""
    return _reduce_scatter(output, [input], op, group, async_op, codec)


def collective_counters(group: dist.ProcessGroup | None = None) -> Counters:
    """What the calls on `group` took since the first. Their number is `buckets`."""
    group = group or dist.group.WORLD
    made = {} if group is None else _communicators.get(group, {})
    counted = [counters for one, _ in made.values() for counters in counters_of(one).values()]
    return sum(counted, Counters())


def _all_gather(
    outputs: list[torch.Tensor],
    tensor: torch.Tensor,
    group: dist.ProcessGroup | None,
    async_op: bool,
    codec: str | Codec,
) -> dist.Work | None:
    return _call(
        lambda members, coding, after: members.all_gather(outputs, tensor, coding, after),
        *([tensor, *outputs], group, async_op, codec),
    )


def _reduce_scatter(
    output: torch.Tensor,
    inputs: list[torch.Tensor],
    op: Op,
    group: dist.ProcessGroup | None,
    async_op: bool,
    codec: str | Codec,
) -> dist.Work | None:
    return _call(
        lambda members, coding, _: members.reduce_scatter(output, inputs, _name(op), coding),
        *([output, *inputs], group, async_op, codec),
    )


def _call(
    start: Callable[[_C.Collectives, _C.Coding, Future | None], Future],
    tensors: Tensors,
    group: dist.ProcessGroup | None,
    async_op: bool,
    codec: str | Codec,
) -> dist.Work | None:
    """Starts a call on `tensors`, and waits for it or hands out what to wait for."""
    # One that is elsewhere than the others is told to all ranks, by the call.
    device = next((tensor.device for tensor in tensors if tensor.is_cuda), torch.device("cpu"))
    members = members_of(group, device)
    if members is None:
        return None
    coding = _coding(codec)
    if isinstance(codec, Codec) and coding.has_history:
        # Its history observes the result of the call before, and only then is used again.
        future = codec._last_call = start(members, coding, codec._last_call)
    else:
        future = start(members, coding, None)
    if async_op:
        return CallWork(future, device)
    future.wait()
    if isinstance(codec, Codec):
        codec._last_call = None  # which would keep the tensors
    return None


# By group and by what payloads travel, see payload_device: made at the first call of its kind,
# ended with the group or before the interpreter.
_Made = dict[torch.device | None, tuple[_C.Communicator, _C.Collectives]]
_communicators: WeakKeyDictionary[dist.ProcessGroup, _Made] = WeakKeyDictionary()


def members_of(group: dist.ProcessGroup | None, device: torch.device) -> _C.Collectives | None:
    """For tensors on `device`. None if this rank is none of them.

    The first call on a group, and over NCCL that for a GPU, makes connections: all ranks wait.
    """
    group = group or dist.group.WORLD
    if group is None:
        raise ValueError("there is no process group; call torch.distributed.init_process_group()")
    if dist.get_rank(group) < 0:
        return None
    made = _communicators.setdefault(group, {})
    by = payload_device(group, device)
    if by not in made:
        ranks = dist.get_process_group_ranks(group)
        facts = installation() | {"payloads over": payload_backend(by)}
        with objects_by(by):
            hands = shake_hands(group, ranks, facts, None, _CALLER, SAME_INSTALLATION)
        communicator = make_communicator(group, hands.token, [], None, by, _CALLER)
        weakref.finalize(group, communicator.close)
        made[by] = communicator, _C.Collectives(communicator)
    return made[by][1]


def _coding(codec: str | Codec) -> _C.Coding:
    """That of a codec. A problem is told to the other ranks, which would wait for this one."""
    try:
        chosen = codec if isinstance(codec, Codec) else _preset(codec)
    except Exception as error:
        return _C.Coding(str(error))
    options = chosen.options
    if options.stages:
        return _C.Coding("collectives take no stages; give them what lmgc_torch.stages made")
    name = options.preset
    if chosen.fingerprint:
        name = f"{options} with model {chosen.fingerprint}"
    return _C.Coding(chosen._codec, chosen._parameters, name)


@functools.cache
def _preset(name: str) -> Codec:
    return Codec(name)


def _name(op: Op) -> str:
    for name in ("SUM", "AVG"):
        if op == getattr(dist.ReduceOp, name):
            return name
    return str(op).removeprefix("RedOpType.")
