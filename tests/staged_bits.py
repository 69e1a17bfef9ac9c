"""What stages make of values of all kinds, as bytes; as a program, a digest of all of it."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import torch

import lmgc_torch
from lmgc_torch import stages
from tensors import to_bits
from test_stages import CHAINS, COUNT, SHAPES

MANY = (700, 1500)


def inputs() -> list[tuple[torch.Tensor, list[tuple[int, ...]]]]:
    """Ordinary values, equal ones, denormals, huge ones, and so many that they are split up.

    Made by NumPy: Torch's numbers depend on the instruction set.
    """
    normal = np.random.default_rng(1).standard_normal(math.prod(MANY)).astype(np.float32)
    normal[::7] = 0
    many = torch.from_numpy(normal * normal * normal)
    few = many[:COUNT]
    sizes = [few, few.round(), few * 1e-41, few * 1e34]
    return [(tensor, SHAPES) for tensor in sizes] + [(many, [MANY])]


def made(
    chain: list[stages.Stage], tensor: torch.Tensor, shapes: list[tuple[int, ...]]
) -> list[bytes] | str:
    """Values, and what is sent of them; or why there are none."""
    try:
        staged = lmgc_torch.Codec("fast", shapes=shapes, stages=chain, seed=7).stage(tensor)
    except ValueError as error:
        return str(error)
    parts = (staged.values, staged.integers, staged.steps, staged.kept)
    return [b"" if part is None else to_bits(part).numpy().tobytes() for part in parts]


if __name__ == "__main__":
    everything = [made(chain, *values) for chain in CHAINS for values in inputs()]
    print(hashlib.sha256(repr(everything).encode()).hexdigest())
