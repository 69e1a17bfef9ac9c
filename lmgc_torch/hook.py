"""Compressed gradient averaging for DistributedDataParallel, one line in a training script."""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import DeviceMesh
from torch.nn.parallel import DistributedDataParallel

from lmgc_torch import _C
from lmgc_torch.codec import Codec
from lmgc_torch.groups import given_hosts, group_by_host, host_identity, make_communicator
from lmgc_torch.handshake import installation, shake_hands
from lmgc_torch.history import histories_state, load_histories, make_histories

__all__ = ["Counters", "Handle", "Stats", "register"]

_DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64)


@dataclass(frozen=True)
class Counters:
    """What averaging some buckets took on this rank.

    `raw_bytes` are those of the buckets, `coded_bytes` those of the values that this rank encoded:
    the buckets', or from three ranks on the shards for its peers and its own sum. `sent_bytes` are
    those for all peers, announcements included. Seconds are those of the hook's threads, which
    overlap.
    """

    buckets: int = 0
    raw_bytes: int = 0
    coded_bytes: int = 0
    payload_bytes: int = 0
    sent_bytes: int = 0
    encode_seconds: float = 0.0
    wire_seconds: float = 0.0
    decode_seconds: float = 0.0
    observe_seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Payload bytes / coded bytes; 1.0 before the first bucket."""
        return self.payload_bytes / self.coded_bytes if self.coded_bytes else 1.0

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

    def __init__(
        self,
        communicator: _C.Communicator,
        codec: Codec,
        histories: Mapping[str, _C.History | None],
    ) -> None:
        self._communicator = communicator
        self._histories = histories
        self.codec = codec

    def stats(self, *, reset: bool = False) -> Stats:
        """Counters of the buckets averaged so far; `reset` starts them anew."""
        buckets = {
            index: Counters(**{f.name: getattr(counters, f.name) for f in fields(Counters)})
            for index, counters in self._communicator.stats(reset).items()
        }
        return Stats(total=sum(buckets.values(), Counters()), buckets=buckets)

    def state_dict(self) -> dict[str, Any]:
        """What all ranks learned from past steps, for a checkpoint: equal on every rank."""
        states = histories_state(list(self._histories.values()))
        return {
            "preset": self.codec.options.preset,
            "histories": dict(zip(self._histories, states, strict=True)),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on with a checkpoint's history; call it on every rank, between two steps.

        Raises:
            ValueError: it is another preset's or other parameters', or damaged. The history is
                unchanged then.
        """
        preset = self.codec.options.preset
        saved: Mapping[str, torch.Tensor | None] = state["histories"]
        if state["preset"] != preset or list(saved) != list(self._histories):
            raise ValueError(
                f"history of preset {state['preset']!r} and {len(saved)} parameters; this hook is "
                f"{preset}, with {len(self._histories)} parameters"
            )
        load_histories(list(self._histories.values()), list(saved.values()))


def register(
    ddp: DistributedDataParallel,
    preset: str = "fast",
    *,
    hosts: DeviceMesh | Sequence[Sequence[int]] | None = None,
    timeout: timedelta | None = None,
    **options: Any,
) -> Handle:
    """Makes `ddp` average its gradients through compressed payloads, bit for bit lossless.

    Call it on every rank of DDP's process group, after wrapping the model and before the first
    backward. `options` are those of `lmgc_torch.Codec`. Where several hosts have equally many ranks,
    ranks of a host share out the traffic between hosts, and send each other raw values; `hosts`
    says which ranks those are, as lists of ranks or a mesh (host, place), if they cannot be found
    out by themselves. `timeout`: how long a bucket may wait for
    the other ranks; by default that of DDP's process group. The hook computes with as many threads
    as torch.get_num_threads() tells when it is registered. Like DDP's own hooks it divides by the
    world size, also in `ddp.join(divide_by_initial_world_size=False)`.

    Raises on every rank, and registers nothing, when one of them cannot go along or ranks differ in
    versions, preset, options, model or parameters.
    """
    hook, handle = make_hook(ddp, preset, hosts, timeout, options)
    hook.register(ddp.reducer)
    if ddp.logger is not None:
        ddp.logger._set_comm_hook_name(f"lmgc_torch[{preset}]")
    return handle


def make_hook(
    ddp: DistributedDataParallel,
    preset: str,
    hosts: DeviceMesh | Sequence[Sequence[int]] | None,
    timeout: timedelta | None,
    options: Mapping[str, Any],
) -> tuple[_C.Hook, Handle]:
    """What `register` registers."""
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
        if hosts is not None:
            facts["hosts"] = repr(given_hosts(hosts, ranks))
    except Exception as error:
        problem = error
    hands = shake_hands(group, ranks, facts, problem, {"host": host_identity()})
    assert codec is not None
    two_levels = (
        group_by_host(ranks, [told["host"] for told in hands.told])
        if hosts is None
        else given_hosts(hosts, ranks)
    )
    communicator = make_communicator(group, hands.token, two_levels, timeout)
    parameters = _parameters(ddp)
    made = make_histories(preset, [p.shape for _, p in parameters])
    histories = {name: history for (name, _), history in zip(parameters, made, strict=True)}
    hook = _C.Hook(
        communicator,
        [[ranks.index(rank) for rank in host] for host in two_levels],
        codec._codec,
        [(p, history) for name, p in parameters if (history := histories[name]) is not None],
    )
    # Ends its threads with the module, or before the interpreter if that ends first.
    weakref.finalize(ddp, communicator.close)
    return hook, Handle(communicator, codec, histories)


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
    facts = installation() | {"model fingerprint": codec.fingerprint or "none"}
    facts |= {name: repr(value) for name, value in asdict(codec.options).items()}
    for name, parameter in _parameters(ddp):
        facts[f"parameter {name}"] = f"{parameter.dtype} {list(parameter.shape)}"
    return facts
