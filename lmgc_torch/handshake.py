"""Ranks compare what must be equal before they send each other payloads."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from weakref import WeakKeyDictionary

import torch
import torch.distributed as dist
from torch._C._distributed_c10d import PrefixStore, Store

from lmgc_torch.together import together
from lmgc_torch.version import __version__

_MAX_DIFFERENCES = 5
SAME_INSTALLATION = "Start every rank with the same installation, arguments and network"


@dataclass(frozen=True)
class _Hand:
    token: str
    problem: str | None
    facts: dict[str, str]
    told: dict[str, str]


@dataclass(frozen=True)
class Agreement:
    """A token that all ranks share, and what each tells of itself."""

    token: str
    told: list[dict[str, str]]


def installation() -> dict[str, str]:
    """What ranks must have in common to understand each other's payloads."""
    return {
        "lmgc_torch version": __version__,
        "torch version": str(torch.__version__),
        "byte order": sys.byteorder,
    }


def shake_hands(
    group: dist.ProcessGroup,
    ranks: Sequence[int],
    facts: Mapping[str, str],
    problem: Exception | None,
    caller: str,
    remedy: str,
    told: Mapping[str, str] | None = None,
) -> Agreement:
    """Raises on every rank if one has a problem or other `facts`, or is missing; `told` may differ.

    `caller`: who raises; `remedy`: what to do about facts that differ.
    """
    problem_text = None if problem is None else str(problem)
    mine = (uuid.uuid4().hex, problem_text, dict(facts), dict(told or {}))
    answers: list[tuple[str, str | None, dict[str, str], dict[str, str]]] = [mine] * len(ranks)
    exchange = partial(dist.all_gather_object, answers, mine, group=group)
    together(exchange, group, _next_store(group), caller)
    hands = {rank: _Hand(*answer) for rank, answer in zip(ranks, answers, strict=True)}
    problems = {rank: hand.problem for rank, hand in hands.items() if hand.problem is not None}
    if problems:
        kinds = (TypeError, ValueError, FileNotFoundError)
        kind = next((kind for kind in kinds if isinstance(problem, kind)), RuntimeError)
        raise kind(f"{caller}: {_told(problems)}") from problem
    differences = _differences({rank: hand.facts for rank, hand in hands.items()})
    if differences:
        listed = "; ".join(differences[:_MAX_DIFFERENCES])
        left = len(differences) - _MAX_DIFFERENCES
        more = f"; and {left} more" if left > 0 else ""
        raise RuntimeError(f"{caller}: ranks differ in {listed}{more}. {remedy}")
    return Agreement(hands[ranks[0]].token, [hands[rank].told for rank in ranks])


# How many there were, by group: as many on every rank.
_handshakes: WeakKeyDictionary[dist.ProcessGroup, int] = WeakKeyDictionary()


def _next_store(group: dist.ProcessGroup) -> Store:
    _handshakes[group] = number = _handshakes.get(group, 0) + 1
    return PrefixStore(f"lmgc_torch/handshake {number}", group.get_group_store())


def _differences(facts: Mapping[int, Mapping[str, str]]) -> list[str]:
    names = dict.fromkeys(name for some in facts.values() for name in some)
    differences = []
    for name in names:
        values = {rank: some.get(name, "absent") for rank, some in facts.items()}
        if len(set(values.values())) > 1:
            differences.append(f"{name} ({_told(values)})")
    return differences


def _told(values: Mapping[int, str]) -> str:
    """'ranks 0, 2: this; rank 1: that'."""
    ranks: dict[str, list[int]] = {}
    for rank, value in values.items():
        ranks.setdefault(value, []).append(rank)
    return "; ".join(
        f"rank{'s' if len(some) > 1 else ''} {', '.join(map(str, some))}: {value}"
        for value, some in ranks.items()
    )
