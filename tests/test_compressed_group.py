"""CompressedGroup on real ranks: PyTorch's own hooks and functions through lmgc_torch's codec."""

from __future__ import annotations

from typing import Any

import pytest

from ddp_compressed_group import HOOKS, STEPS
from ddp_launch import launch

Reports = list[dict[str, Any]]


@pytest.fixture(scope="module", params=[2, 3])
def reports(request: pytest.FixtureRequest) -> Reports:
    return launch("compressed_group", request.param)


@pytest.mark.parametrize("name", HOOKS)
def test_pytorchs_hooks_give_their_bits_in_fewer_bytes(reports: Reports, name: str) -> None:
    """With two ranks; with more ranks sums are in rank order, and gloo's are in another."""
    for report in reports:
        hook = report[name]
        assert hook["identical"]
        assert hook["as plain"] if len(reports) == 2 else hook["error"] < 1e-3
        assert hook["payload_bytes"] < 0.97 * hook["raw_bytes"]
        assert hook["calls"] >= STEPS


def test_every_function_gives_its_result(reports: Reports) -> None:
    for report in reports:
        assert [name for name, right in report["calls"].items() if not right] == []


def test_ddp_takes_it_as_its_group(reports: Reports) -> None:
    for report in reports:
        assert report["ddp"] or len(reports) > 2
        assert report["ddp calls"] >= STEPS


def test_errors_are_told_on_every_rank(reports: Reports) -> None:
    for rank, report in enumerate(reports):
        for error in report["errors"]["shapes"]:
            assert "all_reduce SUM of Float [4] by max" in error
        assert report["errors"]["next"]
        assert (rank == 0) == (report["errors"]["left out"] == "no error")
        assert rank == 0 or "wrap a group on its own ranks alone" in report["errors"]["left out"]
