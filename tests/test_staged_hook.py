"""Lossy stages in the hook, on three real ranks."""

from __future__ import annotations

from typing import Any

import pytest

from ddp_launch import launch
from ddp_stages import CHAINS

Reports = list[dict[str, Any]]


@pytest.fixture(scope="module")
def staged() -> Reports:
    return launch("staged", 3)


@pytest.mark.parametrize("name", CHAINS)
def test_what_is_sent_and_what_is_left_add_up(staged: Reports, name: str) -> None:
    for report in staged:
        assert report[name]["identical"]
        assert report[name]["error"] < 1e-5


@pytest.mark.parametrize("name", CHAINS)
def test_stats_count_what_is_sent(staged: Reports, name: str) -> None:
    for report in staged:
        counted = report[name]
        announcements = 2 * 8 * (3 + 3) * counted["buckets"]
        assert counted["sent_bytes"] == 2 * counted["payload_bytes"] + announcements
        assert counted["payload_bytes"] < counted["raw_bytes"] * 0.55


def test_sums_are_in_rank_order(staged: Reports) -> None:
    assert all(report["rank order"] for report in staged)


def test_gradients_without_sync_count_once(staged: Reports) -> None:
    assert all(report["accumulated"] for report in staged)


def test_residuals_go_into_checkpoints(staged: Reports) -> None:
    assert all(report["resumed"] for report in staged)
    assert all("residuals of other parameters" in report["residuals"] for report in staged)


def test_stages_compose_with_pytorchs_casts(staged: Reports) -> None:
    assert all(report["wrapped"] for report in staged)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("differ", ["ranks differ in stages", "Quantize(bits=4", "Quantize(bits=8"]),
        ("feedback", ["ranks differ in error_feedback (rank 0: True; ranks 1, 2: False)"]),
        ("hosts", ["leave hosts away"]),
        ("nan", ["rank 1", "parameter vector has a NaN or an infinity"]),
    ],
)
def test_what_cannot_be_is_refused_on_every_rank(
    staged: Reports, name: str, expected: list[str]
) -> None:
    for report in staged:
        assert all(text in report[name] for text in expected), report[name]
