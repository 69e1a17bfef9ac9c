"""Steps of a layer's gradients, and histories that have learned them."""

from __future__ import annotations

import math

import numpy as np
import torch

from lmgc_torch import _C


def averages(
    shape: tuple[int, ...], count: int, seed: int = 1, rank: int = 12
) -> list[torch.Tensor]:
    """Steps of a layer: few directions of its inputs and outputs, at scales that differ."""
    generator = np.random.default_rng(seed)
    rows, columns = shape[0], math.prod(shape[1:])
    inputs = generator.standard_normal((rank, columns)) * np.exp2(generator.normal(0, 1, columns))
    outputs = generator.standard_normal((rows, rank)) * np.exp2(generator.normal(-9, 1, (rows, 1)))
    steps = []
    for _ in range(count):
        middle = generator.standard_normal((rank, rank))
        noise = generator.standard_normal((rows, columns))
        noise *= np.abs(inputs).mean(0) * np.abs(outputs).mean(1)[:, None]
        steps.append(torch.from_numpy((outputs @ middle @ inputs + noise).astype(np.float32)))
    return steps


def learned(shape: tuple[int, ...], steps: list[torch.Tensor], *options: int) -> _C.History:
    history = _C.History(shape, *options)
    for step in steps:
        history.observe(step.reshape(-1))
    return history
