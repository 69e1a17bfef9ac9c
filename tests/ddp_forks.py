"""Ranks that fork while their hook is registered, as a DataLoader does."""

from __future__ import annotations

import gc
import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import torch

import lmgc_torch
from ddp_basics import Report, error_of, step, wrapped
from ddp_training import Wide, data
from tensors import to_bits

CODED = torch.arange(100_000.0).sin()


def codes(codec: lmgc_torch.Codec) -> bool:
    return torch.equal(to_bits(codec.decode(codec.encode(CODED))), to_bits(CODED))


def forks(rank: int) -> Report:
    ddp = wrapped(Wide(), bucket_cap_mb=0.001)
    held: dict[str, Any] = {"ddp": ddp, "handle": lmgc_torch.register(ddp, "fast")}
    del ddp  # a child ends both
    codec = lmgc_torch.Codec("fast")
    turn = 0

    def train() -> None:
        nonlocal turn
        step(held["ddp"], data(rank, turn), turn)
        turn += 1

    def child(sender: Connection) -> None:
        sender.send(codes(codec) and codes(lmgc_torch.Codec("fast")))
        sender.send(error_of(train))
        sender.send(error_of(lambda: lmgc_torch.all_reduce(torch.ones(10))))
        held.clear()
        gc.collect()
        sender.send("ended")

    for _ in range(3):
        train()
    lmgc_torch.all_reduce(torch.ones(10))
    children = [_answers(child) for _ in range(2)]
    for _ in range(3):
        train()
    lmgc_torch.all_reduce(torch.ones(10))
    gradients = [parameter.grad for parameter in held["ddp"].module.parameters()]
    return {
        "children": children,
        "turns": turn,
        "averaged": held["handle"].stats().total.buckets > 0,
        "checksum": sum(gradient.double().abs().sum().item() for gradient in gradients),
    }


def _answers(child: Callable[[Connection], None]) -> list[object]:
    """What a child of multiprocessing sends, and its exit code."""
    receiver, sender = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=child, args=(sender,))
    process.start()
    answers = [receiver.recv() for _ in range(4)]
    process.join()
    return [*answers, process.exitcode]
