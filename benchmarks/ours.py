"""Our codec on a sequence of gradients, as two ranks would use it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

import lmgc_torch
from environment import PACKAGE, commit
from gradients import Floats
from peers import Array
from sequences import Shapes

PRESETS = ("fast", "balanced", "max")
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Coded:
    """A gradient that the receiver has, bit for bit."""

    raw_bytes: int
    payload_bytes: int
    encode_s: float
    decode_s: float


def version() -> str:
    return f"lmgc_torch {lmgc_torch.__version__} {commit(PACKAGE)}"


def as_tensor(values: Floats, dtype: torch.dtype) -> Tensor:
    """A copy; bfloat16 rounds to nearest, ties to even."""
    return torch.from_numpy(np.array(values)).to(dtype)


def as_array(values: Tensor) -> Array:
    """What peers take: float32, or the bits of bfloat16 as uint16."""
    if values.dtype is torch.float32:
        return values.numpy()
    return values.view(torch.int16).numpy().view(np.uint16)


def walk(preset: str, shapes: Shapes, steps: Iterable[Tensor], first: int) -> Iterator[Coded]:
    """Codes the steps from number `first` on; both ends observe every step before the next.

    Sender and receiver share nothing but payloads and, before `first`, the steps.
    """
    sender = lmgc_torch.Codec(preset, shapes=shapes)
    receiver = lmgc_torch.Codec(preset, shapes=shapes)
    previous: tuple[Tensor, Tensor] | None = None
    for number, step in enumerate(steps):
        if previous is not None:
            sender.observe(previous[0])
            receiver.observe(previous[1])
        received = step
        if number >= first:
            start = time.perf_counter()
            payload = sender.encode(step)
            encoded = time.perf_counter()
            received = receiver.decode(payload)
            end = time.perf_counter()
            if not torch.equal(received.view(torch.uint8), step.view(torch.uint8)):
                raise RuntimeError(f"{preset} changes step {number}")
            yield Coded(step.nbytes, payload.numel(), encoded - start, end - encoded)
        previous = step, received
