"""Compressed gradient averaging for DistributedDataParallel, one line in a training script."""

from __future__ import annotations

import sys
import warnings
import weakref
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch._C._distributed_c10d import PrefixStore, ProcessGroupGloo
from torch.nn.parallel import DistributedDataParallel

from lmgc_torch import _C
from lmgc_torch.codec import Codec
from lmgc_torch.handshake import shake_hands
from lmgc_torch.history import make_histories
from lmgc_torch.state import SharedState
from lmgc_torch.version import __version__

__all__ = ["Counters", "Handle", "Stats", "register"]

_CALLER = "lmgc_torch.register"
_REMEDY = "Start every rank with the same installation, arguments and network"
_DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64)


@dataclass(frozen=True)
class Counters:
    """What averaging some buckets took on this rank.

    `payload_bytes` are of as many values as `raw_bytes`: of the bucket, or from three ranks on of
    the shards for its peers and its own sum. `sent_bytes` are those for all peers, announcements
    included. Seconds are those of the hook's threads, which overlap.
    """

    buckets: int = 0
    raw_bytes: int = 0
    payload_bytes: int = 0
    sent_bytes: int = 0
    encode_seconds: float = 0.0
    wire_seconds: float = 0.0
    decode_seconds: float = 0.0
    observe_seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Payload bytes / raw bytes; 1.0 before the first bucket."""
        return self.payload_bytes / self.raw_bytes if self.raw_bytes else 1.0

    def __add__(self, other: Counters) -> Counters:
        mine, others = asdict(self), asdict(other)
        return Counters(**{name: mine[name] + others[name] for name in mine})


@dataclass(frozen=True)
class Stats:
    """Counters since registration or the last reset: all together, and by bucket index."""

    total: Counters
    buckets: Mapping[int, Counters]


class Handle:
    """A registered hook. It lives as long as its DDP module, whether or not this handle is kept."""

    def __init__(self, hook: _C.Hook, codec: Codec, state: SharedState) -> None:
        self._hook = hook
        self._state = state
        self.codec = codec

    def stats(self, *, reset: bool = False) -> Stats:
        """Counters of the buckets averaged so far; `reset` starts them anew."""
        buckets = {
            index: Counters(**{f.name: getattr(counters, f.name) for f in fields(Counters)})
            for index, counters in self._hook.stats(reset).items()
        }
        return Stats(total=sum(buckets.values(), Counters()), buckets=buckets)

    def state_dict(self) -> dict[str, Any]:
        """What all ranks learned from past steps, for a checkpoint: equal on every rank.

        For torch.save, and for torch.distributed.checkpoint, which also takes the handle itself.
        Call it between two steps.
        """
        return self._state.state_dict()

    def load_state_dict(self, state: Mapping[str, Any] | None) -> None:
        """Goes on with a checkpoint's history, whatever its world size was.

        Call it on every rank of DDP's process group, between two steps. Ranks with None get the
        state of the lowest rank that has one; if all have None, nothing happens.

        Raises on every rank, with all histories unchanged, when ranks have different states or one
        has another preset's, other parameters' or a damaged one:
            ValueError: on the ranks that were given such a state.
            RuntimeError: on the others, and when states differ.
        """
        self._state.load_state_dict(state)


def register(
    ddp: DistributedDataParallel,
    preset: str = "fast",
    *,
    timeout: timedelta | None = None,
    **options: Any,
) -> Handle:
    """Makes `ddp` average its gradients through compressed payloads, bit for bit lossless.

    Call it on every rank of DDP's process group, after wrapping the model and before the first
    backward. `options` are those of `lmgc_torch.Codec`. `timeout`: how long a bucket may wait for
    the other ranks; by default that of DDP's process group. The hook computes with as many threads
    as torch.get_num_threads() tells when it is registered. Like DDP's own hooks it divides by the
    world size, also in `ddp.join(divide_by_initial_world_size=False)`.

    Raises on every rank, and registers nothing, when one of them cannot go along or ranks differ in
    versions, preset, options, model or parameters.
    """
    group = _group_of(ddp)
    ranks = dist.get_process_group_ranks(group)
    if len(ranks) == 1:
        warnings.warn(
            "lmgc_torch.register: DDP's process group has one rank, so there is nothing to send; "
            "gradients pass unchanged",
            stacklevel=2,
        )
    codec: Codec | None = None
    problem: Exception | None = None
    facts: dict[str, str] = {}
    try:
        _check_module(ddp)
        codec = Codec(preset, **options)
        facts = _facts(ddp, codec)
    except Exception as error:
        problem = error
    token = shake_hands(group, ranks, facts, problem, _CALLER, _REMEDY)
    assert codec is not None
    exchanges = min(len(ranks) - 1, 2)
    own_groups = [_own_group(group, f"{token}/{i}", timeout) for i in range(exchanges)]
    parameters = _parameters(ddp)
    made = make_histories(preset, [p.shape for _, p in parameters])
    histories = {name: history for (name, _), history in zip(parameters, made, strict=True)}
    hook = _C.register_hook(
        ddp.reducer,
        group,
        own_groups or [group],
        ranks,
        _own_store(group, token),
        codec._codec,
        [(p, history) for name, p in parameters if (history := histories[name]) is not None],
    )
    # Ends the hook's thread with the module, or before the interpreter if that ends first.
    weakref.finalize(ddp, hook.close)
    if ddp.logger is not None:
        ddp.logger._set_comm_hook_name(f"lmgc_torch[{preset}]")
    return Handle(hook, codec, SharedState(group, preset, histories))


def _group_of(ddp: object) -> dist.ProcessGroup:
    if not isinstance(ddp, DistributedDataParallel):
        raise TypeError(
            "lmgc_torch.register: expected a torch.nn.parallel.DistributedDataParallel, got "
            f"{type(ddp).__name__}; wrap the model first: ddp = DistributedDataParallel(model)"
        )
    group: dist.ProcessGroup = ddp.process_group
    if not dist.is_initialized() or dist.get_rank(group) < 0:
        raise RuntimeError(
            "lmgc_torch.register: DDP's process group was destroyed; call "
            "dist.init_process_group() and wrap the model again"
        )
    return group


def _parameters(ddp: DistributedDataParallel) -> list[tuple[str, torch.nn.Parameter]]:
    return [
        (name, parameter)
        for name, parameter in ddp.module.named_parameters()
        if parameter.requires_grad and name not in ddp.parameters_to_ignore
    ]


def _check_module(ddp: DistributedDataParallel) -> None:
    logged = ddp.logger._get_ddp_logging_data().strs_map if ddp.logger is not None else {}
    hook = logged.get("comm_hook")
    if hook or ddp._comm_hooks:
        raise RuntimeError(
            f"DDP has a communication hook already ({hook or 'a Python hook'}) and takes only one; "
            "register lmgc_torch once, on a fresh DistributedDataParallel"
        )
    if ddp._use_python_reducer:
        raise RuntimeError(
            "DDP's Python reducer runs no C++ hooks; set torch._dynamo.config.optimize_ddp to "
            "another mode than 'python_reducer'"
        )
    for name, parameter in _parameters(ddp):
        if parameter.device.type != "cpu":
            raise RuntimeError(
                f"parameter {name} is on {parameter.device}; only CPU parameters are supported yet"
            )
        if parameter.dtype not in _DTYPES:
            raise TypeError(
                f"parameter {name} has dtype {parameter.dtype}, supported are "
                f"{', '.join(map(str, _DTYPES))}; convert it, freeze it with "
                "requires_grad_(False), or exclude it from DDP"
            )


def _facts(ddp: DistributedDataParallel, codec: Codec) -> dict[str, str]:
    """What must be equal on all ranks."""
    facts = {
        "lmgc_torch version": __version__,
        "torch version": str(torch.__version__),
        "byte order": sys.byteorder,
        "model fingerprint": codec.fingerprint or "none",
    }
    facts |= {name: repr(value) for name, value in asdict(codec.options).items()}
    for name, parameter in _parameters(ddp):
        facts[f"parameter {name}"] = f"{parameter.dtype} {list(parameter.shape)}"
    return facts


def _own_store(group: dist.ProcessGroup, token: str) -> PrefixStore:
    return PrefixStore(f"lmgc_torch/{token}", group.get_group_store())


def _own_group(
    group: dist.ProcessGroup, token: str, timeout: timedelta | None
) -> dist.ProcessGroup:
    """A gloo group over the ranks of `group`: DDP's own collectives run on another thread.

    Not dist.new_group: that names a group by how many groups a rank has, which may differ.
    """
    if timeout is None:
        timeout = group._get_backend(torch.device("cpu")).options._timeout
    store = _own_store(group, token)
    own = dist.ProcessGroup(store, group.rank(), group.size())
    kind = dist.ProcessGroup.BackendType.GLOO
    backend = ProcessGroupGloo(store, group.rank(), group.size(), timeout)
    own._register_backend(torch.device("cpu"), kind, backend)
    own._set_default_backend(kind)
    return own
