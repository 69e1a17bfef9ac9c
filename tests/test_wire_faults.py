"""Three ranks, of which one sends nonsense or goes away: errors with its name, and no hang."""

from typing import Any

import pytest

from ddp_attacks import GOOD_STEPS, TIMEOUT_SECONDS
from ddp_launch import launch

Reports = list[dict[str, Any]]


@pytest.fixture(scope="module")
def attacked() -> Reports:
    return launch("attacks", 3, limit_seconds=120)


def errors_of(report: dict[str, Any]) -> list[str]:
    *good, attacked_step, next_step = report["errors"]
    assert good == [""] * GOOD_STEPS
    return [attacked_step, next_step]


@pytest.mark.parametrize(
    ("attack", "ranks", "reason"),
    [
        ("damage at payload 0", [0, 1, 2], "cannot decode the payload of rank 2"),
        ("damage at payload 1", [0], "cannot decode the payload of rank 2"),
        ("swap at payload 0", [0, 1, 2], "cannot decode the payload of rank 2"),
        ("announce at announcement 0", [0, 1], "rank 2 announces a payload of 1152921504606846976"),
        ("announce at announcement 1", [0, 1], "rank 2 announces a payload of 1152921504606846976"),
    ],
)
def test_nonsense_raises_with_the_name_of_who_sent_it(
    attacked: Reports, attack: str, ranks: list[int], reason: str
) -> None:
    for rank in ranks:
        for error in errors_of(attacked[rank][attack]):
            assert f"lmgc_torch hook on rank {rank}, bucket " in error
            assert reason in error


def test_all_ranks_hear_of_a_sum_that_one_cannot_decode(attacked: Reports) -> None:
    for report in attacked:
        assert "cannot decode the payload of rank 2" in errors_of(report["damage at payload 1"])[1]


@pytest.mark.parametrize(
    "attack",
    [
        "kill at announcement 0",  # encoded
        "kill at payload 0",  # on the wire
        "kill after at payload 0",  # to decode
        "kill after at payload 1",
        "stop at payload 0",
        "stop at announcement 1",
    ],
)
def test_a_rank_that_is_gone_is_named(attack: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTACK", attack)
    for rank, report in enumerate(launch("gone", 3, limit_seconds=90)[:2]):
        for error in filter(None, errors_of(report)):
            assert f"lmgc_torch hook on rank {rank}, bucket " in error
            assert "lost rank 2 or ran out of time" in error
        assert errors_of(report)[-1]
        assert report["seconds"] < TIMEOUT_SECONDS + 3
