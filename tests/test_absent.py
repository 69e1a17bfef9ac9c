"""Ranks that do not come to `register`, or stop in it: the others are told who, and do not hang."""

from typing import Any

import pytest

from ddp_absent import VICTIM
from ddp_launch import launch


@pytest.fixture(scope="module")
def reports() -> list[dict[str, Any]]:
    return launch("absent", 3)


def test_a_rank_that_does_not_register_is_named(reports: list[dict[str, Any]]) -> None:
    for rank, report in enumerate(reports[:VICTIM]):
        assert f"lmgc_torch.register on rank {rank}: rank 2 did not come" in report["absent"]
        assert "call it on every rank" in report["absent"]


def test_a_rank_that_comes_too_late_hears_that_others_have_left(
    reports: list[dict[str, Any]],
) -> None:
    message = reports[VICTIM]["late"]
    assert "lmgc_torch.register on rank 2: ranks do not get through to each other" in message
    assert "rank 0: " in message


def test_ranks_register_when_all_come(reports: list[dict[str, Any]]) -> None:
    assert [report["fresh"] for report in reports] == ["no error"] * 3


@pytest.mark.parametrize("group", [1, 2, 3])
def test_a_rank_that_stops_while_groups_are_connected_is_named(
    group: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Groups of the two exchanges, and the planner's."""
    monkeypatch.setenv("STOP_AT", str(group))
    monkeypatch.setenv("STORE_ON_VICTIM", "0")
    for rank, report in enumerate(launch("stopped", 3)[:VICTIM]):
        message = report["stopped"]
        assert f"lmgc_torch.register on rank {rank}: rank 2 did not come" in message


def test_a_store_that_stops_with_its_rank_hangs_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOP_AT", "1")
    monkeypatch.setenv("STORE_ON_VICTIM", "1")
    for rank, report in enumerate(launch("stopped", 3)[:VICTIM]):
        message = report["stopped"]
        assert f"lmgc_torch.register on rank {rank}: ran out of time" in message
        assert "store does not answer" in message
