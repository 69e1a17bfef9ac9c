"""Stages give the same bits whatever computes them; test_gpu_stages.py compares a GPU."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import lmgc_torch
from lmgc_torch import stages
from test_stages import COUNT, gradient


@pytest.mark.parametrize("stage", [stages.Sign(), stages.Quantize(4)], ids=str)
@pytest.mark.parametrize("size", [1e-36, 1.0, 1e33])
def test_steps_do_not_depend_on_the_order_of_values(stage: stages.Stage, size: float) -> None:
    """As it differs between devices."""
    tensor = gradient(5, size)
    made = stage.apply(tensor)
    assert made.isfinite().all() and made.any()
    for seed in range(5):
        order = torch.randperm(COUNT, generator=torch.Generator().manual_seed(seed))
        assert torch.equal(stage.apply(tensor[order]), made[order])


@pytest.mark.parametrize("per", ["tensor", "bucket"])
def test_of_equal_sizes_the_first_are_kept(per: str) -> None:
    tensor = torch.tensor([0.5, -2.0, 0.5, 2.0, -2.0, 0.5, -3.0, 0.0, -0.0, 0.0])
    for count, expected in ((2, [1, 6]), (3, [1, 3, 6]), (5, [0, 1, 3, 4, 6]), (8, list(range(8)))):
        codec = lmgc_torch.Codec("fast", stages=[stages.TopK(count=count, per=per)])
        kept = codec.stage(tensor).kept
        assert kept is not None and kept.tolist() == expected


def test_the_bits_do_not_depend_on_instruction_sets_and_threads() -> None:
    """Which sum and select in other orders, as a GPU does."""
    digests = set()
    for capability, threads in (("default", 1), ("avx2", 3)):
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "ATEN_CPU_CAPABILITY": capability,
            "OMP_NUM_THREADS": str(threads),
        }
        program = [sys.executable, Path(__file__).with_name("staged_bits.py")]
        digests.add(
            subprocess.run(program, env=environment, check=True, stdout=subprocess.PIPE).stdout
        )
    assert len(digests) == 1
