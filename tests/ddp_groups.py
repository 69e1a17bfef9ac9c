"""Process groups in Python around those of the hook: they see, and may change, what it sends."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any, ClassVar

import torch
import torch.distributed as dist

from lmgc_torch import groups

make_group = groups.make_group


class GroupAround(dist.ProcessGroup):
    """A subclass overrides what it changes: alltoall_base for what is announced, or send."""

    alive: ClassVar[list[GroupAround]] = []  # in the hook's order; C++ keeps no Python part

    def __init__(self, group: dist.ProcessGroup) -> None:
        super().__init__(group.rank(), group.size())
        self.group = group
        self.alive.append(self)

    def alltoall_base(self, *arguments: Any) -> dist.Work:
        return self.group.alltoall_base(*arguments)

    def allreduce(self, *arguments: Any) -> dist.Work:
        return self.group.allreduce(*arguments)

    def send(self, tensors: list[torch.Tensor], to: int, tag: int) -> dist.Work:
        return self.group.send(tensors, to, tag)

    def recv(self, tensors: list[torch.Tensor], source: int, tag: int) -> dist.Work:
        return self.group.recv(tensors, source, tag)


def put_around_groups(around: Callable[[dist.ProcessGroup], dist.ProcessGroup]) -> None:
    """From now on `register` uses what `around` makes of each group."""
    groups.make_group = lambda *arguments: around(make_group(*arguments))


def leave() -> None:
    """Ends the process without ending the interpreter first: gloo's threads need that to let
    tensors go which Python has seen (those of all_gather_object too), and abort where it has ended.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
