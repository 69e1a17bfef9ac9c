"""Lossy stages on a GPU: the CPU's bits, alone and in the hook on three ranks that share it."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from ddp_launch import launch
from ddp_stages import CHAINS as HOOKED
from lmgc_torch import stages
from staged_bits import inputs, made
from test_stages import CHAINS

pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="no GPU: stages are tried on the CPU alone here"
)


@pytest.mark.parametrize("chain", CHAINS, ids=str)
def test_stages_on_a_gpu_give_the_cpus_bits(chain: list[stages.Stage]) -> None:
    for tensor, shapes in inputs():
        assert made(chain, tensor.cuda(), shapes) == made(chain, tensor, shapes)


@pytest.fixture(scope="module")
def hooked() -> list[dict[str, Any]]:
    return launch("staged_on_gpu", 3)


@pytest.mark.parametrize("name", HOOKED)
def test_buckets_on_a_gpu_are_staged_there_to_the_cpus_bits(
    hooked: list[dict[str, Any]], name: str
) -> None:
    for report in hooked:
        assert all(report[name].values()), report[name]


def test_a_checkpoint_of_the_cpu_goes_on_there(hooked: list[dict[str, Any]]) -> None:
    assert all(report["resumed"] for report in hooked)


def test_what_is_not_finite_there_is_refused_on_every_rank(hooked: list[dict[str, Any]]) -> None:
    for report in hooked:
        assert "parameter vector has a NaN or an infinity" in report["nan"]
        assert "rank 1" in report["nan"]
