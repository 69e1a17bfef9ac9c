"""Round trips of tiles large enough for every way that the encoder chooses between: with history,
rows above, own rows in sections, and integers of stages."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

import lmgc_torch
from lmgc_torch import stages
from tensors import to_bits

DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
STAGES: tuple[stages.Stage, ...] = (
    stages.Quantize(bits=4, scale="row"),
    stages.Quantize(bits=8, scale="row"),
    stages.TopK(0.05),
)


class Draw:
    """Random matrices with structure, and what disturbs it."""

    def __init__(self, seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)

    def integer(self, low: int, high: int) -> int:
        return int(torch.randint(low, high, (1,), generator=self.generator))

    def normal(self, *shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=self.generator)

    def structure(self, rows: int, columns: int) -> torch.Tensor:
        block = self.integer(8, 200)
        kinds: tuple[Callable[[], torch.Tensor], ...] = (
            lambda: self.normal(rows, columns).cumsum(0),
            lambda: self.normal(rows, columns).cumsum(1),
            lambda: self.normal(rows, 7) @ self.normal(7, columns),
            lambda: torch.cat(
                [
                    self.normal(min(block, rows - at), 5) @ self.normal(5, columns)
                    for at in range(0, rows, block)
                ]
            ),
            lambda: self.normal(1, columns).repeat(rows, 1),
            lambda: self.normal(rows, columns).round(),
            lambda: self.normal(rows, columns) * self.normal(rows, 1).exp(),
            lambda: self.normal(rows, columns).relu(),
        )
        return kinds[self.integer(0, len(kinds))]()

    def matrix(self, rows: int, columns: int) -> torch.Tensor:
        x = self.structure(rows, columns)
        top = self.integer(0, rows)
        part = x[top : self.integer(top, rows + 1)]
        disturbance = self.integer(0, 4)
        if disturbance == 0:
            part[:] = self.normal(1, columns).round()
        elif disturbance == 1:
            part[:] = (0.0, 1.0, torch.nan, torch.inf)[self.integer(0, 4)]
        if self.integer(0, 3) == 0:
            x = x[torch.randperm(rows, generator=self.generator)]
        if self.integer(0, 3) == 0:
            x[self.integer(0, rows), self.integer(0, columns)] = 1e30
        return x * 10.0 ** self.integer(-8, 3)


@pytest.mark.parametrize("seed", range(64))
def test_tiles_of_any_structure_come_back(seed: int) -> None:
    draw = Draw(seed)
    shape = (draw.integer(2, 900), draw.integer(2, 400))
    dtype = DTYPES[seed % len(DTYPES)]
    steps = [draw.matrix(*shape).flatten().to(dtype) for _ in range(draw.integer(1, 4))]
    for preset in ("fast", "balanced", "max"):
        sender, receiver = (lmgc_torch.Codec(preset, shapes=[shape]) for _ in range(2))
        for step in steps:
            received = receiver.decode(sender.encode(step))
            assert torch.equal(to_bits(received), to_bits(step)), preset
            sender.observe(step)
            receiver.observe(received)
    if not all(step.isfinite().all() for step in steps):
        return
    for preset in ("fast", "max"):
        codec = lmgc_torch.Codec(preset, shapes=[shape], stages=[STAGES[seed % len(STAGES)]])
        for step in steps:
            staged = codec.stage(step.float())
            decoded = codec.decode(codec.encode(staged))
            assert torch.equal(to_bits(decoded), to_bits(staged.values)), preset
            codec.observe(decoded)
