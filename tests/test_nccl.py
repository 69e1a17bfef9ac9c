"""Payloads over NCCL, ranks on one GPU: equal to plain DDP bit for bit, errors instead of hangs."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch

from ddp_launch import launch
from ddp_nccl import TRAINED

pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available() or not torch.distributed.is_nccl_available(),
    reason="no GPU, or a Torch without NCCL: payloads over NCCL are not tried here",
)

Reports = list[dict[str, Any]]
LIMIT_SECONDS = 60


@pytest.fixture(scope="module")
def trained() -> Reports:
    return launch("nccl_training", 2, LIMIT_SECONDS)


def test_payloads_go_over_nccl(trained: Reports) -> None:
    assert [report["payloads over"] for report in trained] == ["nccl", "nccl"]


@pytest.mark.parametrize("name", TRAINED)
def test_parameters_and_gradients_equal_plain_ddp(trained: Reports, name: str) -> None:
    for report in trained:
        print(name, report[name])
        assert report[name]["same"], report


@pytest.mark.parametrize("name", ["fast", "balanced", "units"])
def test_payloads_are_smaller_than_values(trained: Reports, name: str) -> None:
    for report in trained:
        assert report[name]["plain_buckets"] == 0
        assert 0 < report[name]["payload_bytes"] < report[name]["coded_bytes"], report[name]


def test_payloads_go_over_nccl_where_the_group_has_gloo_too() -> None:
    for report in launch("nccl_beside_gloo", 2, LIMIT_SECONDS):
        assert report == {"payloads over": "nccl", "same": True}


def test_four_ranks_end_with_the_same_bits() -> None:
    for report in launch("nccl_ranks", 4, LIMIT_SECONDS):
        assert report.pop("rate") < 1
        assert all(report.values()), report


@pytest.fixture(scope="module")
def survivors() -> dict[str, dict[str, Any]]:
    """Of scenarios in which rank 1 does not go on."""
    names = ["nccl_gone", "nccl_left", "nccl_silent", "nccl_closed"]
    with ThreadPoolExecutor() as pool:
        reports = pool.map(lambda name: launch(name, 2, LIMIT_SECONDS), names)
        return {name: report[0] for name, report in zip(names, reports, strict=True)}


@pytest.mark.parametrize("name", ["nccl_gone", "nccl_left", "nccl_silent"])
def test_a_rank_that_does_not_go_on_is_named(
    survivors: dict[str, dict[str, Any]], name: str
) -> None:
    survivor = survivors[name]
    assert "lmgc_torch hook on rank 0, bucket" in survivor["error"], survivor
    assert "lost rank 1 or ran out of time" in survivor["error"], survivor
    assert survivor["seconds"] < 14
    assert survivor["works"]


def test_a_silent_rank_is_waited_for_no_longer_than_the_timeout(
    survivors: dict[str, dict[str, Any]],
) -> None:
    assert "Timed out waiting 3000ms" in survivors["nccl_silent"]["error"]


def test_a_hook_that_is_closed_waits_for_nobody(survivors: dict[str, dict[str, Any]]) -> None:
    survivor = survivors["nccl_closed"]
    assert "closed while" in survivor["error"], survivor
    assert survivor["seconds"] < 7
    assert survivor["works"]
