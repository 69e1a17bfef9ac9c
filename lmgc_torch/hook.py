"""Compressed gradient averaging for DistributedDataParallel, one line in a training script."""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import DeviceMesh
from torch.nn.parallel import DistributedDataParallel

from lmgc_torch import _C
from lmgc_torch.codec import PRESETS, Codec
from lmgc_torch.ddp_module import check_module, facts_of, group_of, parameters_of
from lmgc_torch.groups import (
    given_hosts,
    group_by_host,
    host_identity,
    make_communicator,
    make_planning_group,
    objects_by,
    payload_device,
)
from lmgc_torch.handshake import SAME_INSTALLATION, shake_hands
from lmgc_torch.history import make_histories
from lmgc_torch.plan import AUTO, CANDIDATES, PLAIN, explain
from lmgc_torch.stages import Stage, make_chain, stages_device
from lmgc_torch.state import SharedState
from lmgc_torch.stats import Stats, counters_of

__all__ = ["Handle", "register"]

_CALLER = "lmgc_torch.register"


class Handle:
    """A registered hook. It lives as long as its DDP module, whether or not this handle is kept."""

    def __init__(
        self,
        communicator: _C.Communicator,
        hook: _C.Hook,
        preset: str,
        state: SharedState,
        residuals: Mapping[str, torch.Tensor],
    ) -> None:
        self._communicator = communicator
        self._hook = hook
        self._state = state
        self._residuals = residuals
        self._before = Stats({})
        self.preset = preset

    def stats(self, *, reset: bool = False) -> Stats:
        """Counters of the buckets averaged so far; `reset` starts them anew."""
        now = self.stats_since_registration()
        stats = now - self._before
        if reset:
            self._before = now
        return stats

    def method_of(self, bucket: int) -> str:
        """How a bucket is averaged at present: a preset's name, or "plain" for an allreduce."""
        plan = self._hook.plan()
        if plan is None:
            return self.preset
        stays_plain = bucket < len(plan["plain_buckets"]) and plan["plain_buckets"][bucket]
        return PLAIN if stays_plain or plan["method"] is None else CANDIDATES[plan["method"]]

    def stats_since_registration(self) -> Stats:
        """Counters of all buckets, whatever was reset."""
        return Stats(counters_of(self._communicator))

    def explain(self) -> str:
        """What `preset="auto"` measured and decided, for people; the same on every rank."""
        plan = self._hook.plan()
        if plan is None:
            return f"{self.preset} for every bucket, as registered; preset='auto' would choose"
        return explain(plan, CANDIDATES)

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

    def residual_state_dict(self) -> dict[str, torch.Tensor]:
        """What stages have left of each parameter on this rank: each rank saves its own.

        Empty without stages or error feedback. Call it between two steps.
        """
        return {name: residual.clone() for name, residual in self._residuals.items()}

    def load_residual_state_dict(self, state: Mapping[str, torch.Tensor]) -> None:
        """Goes on with a rank's own residuals, or with none where the ranks are others.

        Raises:
            ValueError: of other parameters. Nothing has changed then.
        """
        if state and {n: s.numel() for n, s in state.items()} != {
            n: r.numel() for n, r in self._residuals.items()
        }:
            raise ValueError("residuals of other parameters than this hook's stages have")
        for name, residual in self._residuals.items():
            residual.copy_(state[name]) if state else residual.zero_()


def register(
    ddp: DistributedDataParallel,
    preset: str = AUTO,
    *,
    stages: Sequence[Stage] = (),
    error_feedback: bool = True,
    seed: int = 0,
    hosts: DeviceMesh | Sequence[Sequence[int]] | None = None,
    timeout: timedelta | None = None,
    **options: Any,
) -> Handle:
    """Makes `ddp` average its gradients through compressed payloads, bit for bit lossless.

    Call it on every rank of DDP's process group, after wrapping the model and before the first
    backward. `auto` tries a plain allreduce, `fast`, `balanced` and `max` in the first steps, as
    far as the link leaves something to gain, goes on with what makes steps shortest, and tries
    again when steps or link change; other presets are those of `lmgc_torch.Codec`, and so are
    `options`. Where several hosts have equally many
    ranks, ranks of a host share out the traffic between hosts, and send each other raw values;
    `hosts` says which ranks those are, as lists of ranks or a mesh (host, place), if they cannot be
    found out by themselves. `timeout`: how long a bucket may wait for the other ranks; by default
    that of DDP's process group. The hook computes with as many threads as torch.get_num_threads()
    tells when it is registered. Like DDP's own hooks it divides by the world size, also in
    `ddp.join(divide_by_initial_world_size=False)`.

    `stages` (`lmgc_torch.stages`) make it lossy: each rank's gradient / world size goes through
    them, with what they left of the last step's added first unless `error_feedback` is False, and
    all ranks get the sum of the results, the same bits on each. `auto` then is `fast`. `seed`: of
    what stages draw. NaNs and infinities raise on every rank.

    Raises on every rank, and registers nothing, when one of them cannot go along or ranks differ in
    versions, preset, options, model or parameters; and, within the timeout of DDP's process group,
    when one does not come.
    """
    hook, handle = make_hook(
        ddp,
        preset,
        stages=stages,
        error_feedback=error_feedback,
        seed=seed,
        hosts=hosts,
        timeout=timeout,
        **options,
    )
    hook.register(ddp.reducer)
    if ddp.logger is not None:
        ddp.logger._set_comm_hook_name(f"lmgc_torch[{handle.preset}]")
    return handle


def make_hook(
    ddp: DistributedDataParallel,
    preset: str,
    *,
    stages: Sequence[Stage] = (),
    error_feedback: bool = True,
    seed: int = 0,
    hosts: DeviceMesh | Sequence[Sequence[int]] | None = None,
    timeout: timedelta | None = None,
    **options: Any,
) -> tuple[_C.Hook, Handle]:
    """What `register` registers."""
    if stages and preset == AUTO:
        preset = CANDIDATES[0]
    group = group_of(ddp)
    ranks = dist.get_process_group_ranks(group)
    if len(ranks) == 1:
        warnings.warn(
            "lmgc_torch.register: DDP's process group has one rank, so there is nothing to send; "
            "gradients pass unchanged",
            stacklevel=2,
        )
    presets = CANDIDATES if preset == AUTO else (preset,)
    codecs: list[Codec] = []
    problem: Exception | None = None
    facts: dict[str, str] = {}
    try:
        check_module(ddp)
        if preset not in (*PRESETS, AUTO):
            raise ValueError(f"unknown preset {preset!r}; use one of {', '.join(PRESETS)}, {AUTO}")
        codecs = [Codec(name, stages=stages, seed=seed, **options) for name in presets]
        facts = facts_of(ddp, codecs[0]) | {"preset": repr(preset)}
        if stages:
            facts["error_feedback"] = repr(error_feedback)
        if stages and hosts is not None:
            raise ValueError("stages send every rank all payloads; leave hosts away")
        if hosts is not None:
            facts["hosts"] = repr(given_hosts(hosts, ranks))
    except Exception as error:
        problem = error
    told = {"host": host_identity()}
    device = payload_device(group, ddp.device)
    with objects_by(device):
        hands = shake_hands(group, ranks, facts, problem, _CALLER, SAME_INSTALLATION, told)
    if stages:
        two_levels = []
    elif hosts is None:
        two_levels = group_by_host(ranks, [one["host"] for one in hands.told])
    else:
        two_levels = given_hosts(hosts, ranks)
    communicator = make_communicator(group, hands.token, two_levels, timeout, device, _CALLER)
    planning = (
        make_planning_group(group, hands.token, timeout, device, _CALLER)
        if preset == AUTO
        else None
    )
    parameters = parameters_of(ddp)
    shapes = [parameter.shape for _, parameter in parameters]
    histories = {
        name: dict(zip([n for n, _ in parameters], make_histories(name, shapes), strict=True))
        for name in presets
    }
    residuals = {
        name: torch.zeros(parameter.numel(), device=stages_device(parameter))
        for name, parameter in parameters
        if stages and error_feedback
    }
    hook = _C.Hook(
        communicator,
        [[ranks.index(rank) for rank in host] for host in two_levels],
        [
            (name, codec._codec, [(p, h) for n, p in parameters if (h := histories[name][n])])
            for name, codec in zip(presets, codecs, strict=True)
        ],
        planning,
        (make_chain(stages), seed, [(p, n, residuals.get(n)) for n, p in parameters])
        if stages
        else None,
    )
    # Ends its threads with the module, or before the interpreter if that ends first.
    weakref.finalize(ddp, hook.close)
    state = SharedState(group, hook, preset, histories, device)
    return hook, Handle(communicator, hook, preset, state, residuals)
