"""Integers whose chances are mixed, as `max` does where it pays."""

from __future__ import annotations

import pytest
import torch

import lmgc_torch
from lmgc_torch import stages

MANY_ROWS = (1500, 30)  # more than may agree with a row
SHAPES = [(160, 130), MANY_ROWS, (70, 300)]
STAGES = [
    stages.Quantize(1, scale="row"),
    stages.Quantize(2, scale="row"),
    stages.Quantize(4, scale="row"),
    stages.Quantize(8),
    stages.Sign("row"),
]


def alike(shape: tuple[int, int], seed: int = 0) -> torch.Tensor:
    """A layer's whose units are idle for most of a batch: rows are multiples of a few, or zeros."""
    rows, columns = shape
    generator = torch.Generator().manual_seed(seed)
    kinds = torch.randn(9, columns, generator=generator) ** 3
    kinds[0] = 0
    chosen = torch.randint(0, len(kinds), (rows,), generator=generator)
    matrix = kinds[chosen] * torch.rand(rows, 1, generator=generator)
    matrix[:, ::7] = 0
    return matrix


@pytest.mark.parametrize("stage", STAGES, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("observed", [0, 2])
def test_rows_that_are_alike_cost_little(
    shape: tuple[int, int], stage: stages.Stage, observed: int
) -> None:
    sizes = {}
    for preset in ("fast", "max"):
        codec = lmgc_torch.Codec(preset, shapes=[shape], stages=[stage])
        for step in range(observed):
            codec.observe(codec.stage(alike(shape, step)).values)
        staged = codec.stage(alike(shape, observed))
        payload = codec.encode(staged)
        assert torch.equal(codec.decode(payload), staged.values)
        sizes[preset] = payload.numel()
    assert sizes["max"] < 0.9 * sizes["fast"]


@pytest.mark.parametrize("stage", STAGES, ids=str)
def test_what_has_no_pattern_costs_no_more(stage: stages.Stage) -> None:
    generator = torch.Generator().manual_seed(3)
    tensor = torch.randn(120, 120, generator=generator) * torch.rand(120, 1, generator=generator)
    sizes = []
    for preset in ("fast", "max"):
        codec = lmgc_torch.Codec(preset, shapes=[tensor.shape], stages=[stage])
        staged = codec.stage(tensor)
        payload = codec.encode(staged)
        assert torch.equal(codec.decode(payload), staged.values)
        sizes.append(payload.numel())
    assert sizes[1] <= sizes[0]


def test_the_bytes_do_not_depend_on_threads() -> None:
    tensor = torch.cat([alike(shape).flatten() for shape in SHAPES])
    threads = torch.get_num_threads()
    payloads = []
    for count in (1, 3):
        torch.set_num_threads(count)
        codec = lmgc_torch.Codec("max", shapes=SHAPES, stages=[stages.Quantize(4, "row")])
        payloads.append(codec.encode(tensor))
    torch.set_num_threads(threads)
    assert torch.equal(*payloads)
