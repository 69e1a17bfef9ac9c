"""Collectives, CompressedGroup and FSDP on a GPU: the CPU's bits, over gloo and over NCCL."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch

from ddp_launch import launch

pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="no GPU: collectives of CUDA tensors are not tried here"
)

Reports = list[dict[str, Any]]
LIMIT_SECONDS = 60
SCENARIOS = {"gloo": "gpu_collectives+gpu_fsdp"}
if torch.distributed.is_nccl_available():
    SCENARIOS["nccl"] = "nccl_collectives+gpu_fsdp"
PARTS = (
    "reductions",
    "gathers_and_scatters",
    "under_way",
    "with_history",
    "callbacks",
    "alone",
    "errors",
    "compressed_group",
)


@pytest.fixture(scope="module")
def reports() -> dict[str, Reports]:
    with ThreadPoolExecutor() as pool:
        started = {
            name: pool.submit(launch, scenarios, 2, LIMIT_SECONDS)
            for name, scenarios in SCENARIOS.items()
        }
        return {name: future.result() for name, future in started.items()}


@pytest.mark.parametrize("backend", SCENARIOS)
@pytest.mark.parametrize("part", PARTS)
def test_calls_give_the_cpus_bits(reports: dict[str, Reports], backend: str, part: str) -> None:
    for report in reports[backend]:
        assert [name for name, right in report[part].items() if not right] == []


@pytest.mark.parametrize("backend", SCENARIOS)
def test_payloads_go_by_the_groups_backend(reports: dict[str, Reports], backend: str) -> None:
    for report in reports[backend]:
        assert report["payloads over"] == (["None"] if backend == "gloo" else ["None", "cuda:0"])


def cases(report: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """Of FSDP or HSDP, as many as there must be."""
    found = [case for case in report.values() if isinstance(case, dict)]
    assert len(found) == count, report
    return found


@pytest.mark.parametrize("backend", SCENARIOS)
def test_fsdp_has_the_same_bits_at_every_step(reports: dict[str, Reports], backend: str) -> None:
    for report in reports[backend]:
        for case in cases(report["fsdp"], 6):
            assert case["same"] and case["calls"] > 0, report["fsdp"]


@pytest.mark.parametrize("backend", SCENARIOS)
def test_hsdp_has_the_same_bits_and_learns(reports: dict[str, Reports], backend: str) -> None:
    for report in reports[backend]:
        for case in cases(report["hsdp"], 3):
            assert case["same"] and case["identical"] and case["histories"] > 0, report["hsdp"]
            assert case["sizes"][7] < 0.97 * case["sizes"][1], report["hsdp"]
