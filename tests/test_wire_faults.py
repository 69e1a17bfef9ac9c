"""Three ranks, of which one sends nonsense, fails or goes away: errors with its name, no hang."""

from typing import Any

import pytest

from ddp_attacks import GOOD_STEPS, STARVING, TIMEOUT_SECONDS
from ddp_launch import launch

Reports = list[dict[str, Any]]


@pytest.fixture(scope="module")
def attacked() -> Reports:
    return launch("attacks+differences+gradients_after_failure", 3, limit_seconds=240)


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
        ("truncate at exchange 0", [0, 1, 2], "payload of rank 2: lmgc payload (truncated)"),
        ("truncate at exchange 1", [0], "payload of rank 2: lmgc payload (truncated)"),
        ("replay at exchange 0", [0, 1, 2], "cannot decode the payload of rank 2"),
        ("replay at exchange 1", [0, 1], "cannot decode the payload of rank 2"),
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
        for attack in ("damage at payload 1", "truncate at exchange 1", "replay at exchange 1"):
            assert "cannot decode the payload of rank 2" in errors_of(report[attack])[1]


@pytest.fixture(scope="module")
def attacked_between_hosts() -> Reports:
    return launch("attacks_between_hosts", 4, limit_seconds=120)


@pytest.mark.parametrize(
    ("attack", "ranks", "reason"),
    [
        ("truncate at exchange 0", [0, 1, 2, 3], "rank 2 sent"),
        ("damage at payload 1", [0, 1, 2, 3], "cannot decode the payload of rank 2"),
        ("damage at payload 2", [0, 1], "cannot decode the payload of rank 2"),
        ("truncate at exchange 3", [3], "rank 2 sent"),
    ],
)
def test_what_goes_wrong_inside_or_between_hosts_is_heard_on_all(
    attacked_between_hosts: Reports, attack: str, ranks: list[int], reason: str
) -> None:
    """Ranks that could not hear of it in that bucket do so in a next one."""
    for rank, report in enumerate(attacked_between_hosts):
        errors = errors_of(report[attack])
        assert reason in errors[1 if rank not in ranks else 0], errors
        assert f"lmgc_torch hook on rank {rank}, bucket " in errors[1]


@pytest.mark.parametrize(
    ("difference", "reasons"),
    [
        ("sparse gradient", ["rank 2 failed: its gradient is sparse"]),
        ("bucket layout", ["ranks are at different buckets", "rank 2 has bucket 0 with"]),
        ("history", ["cannot decode the payload of rank ", "(history)", "rank 2"]),
    ],
)
def test_a_rank_unlike_the_others_is_named_on_all(
    attacked: Reports, difference: str, reasons: list[str]
) -> None:
    for rank, report in enumerate(attacked):
        for error in report[difference]:
            assert f"lmgc_torch hook on rank {rank}, bucket 0: " in error
            assert all(reason in error for reason in reasons), error


@pytest.mark.parametrize("views", [False, True])
@pytest.mark.parametrize("attack", ["damage at payload 0", "damage at payload 1"])
def test_gradients_after_a_failure_are_whole(attacked: Reports, attack: str, views: bool) -> None:
    """Each is the average or what the rank itself computed, and the latter only if it raised."""
    for rank, report in enumerate(attacked):
        outcome = report[f"gradients after {attack}, views: {views}"]
        assert set(outcome["found"]) <= {"average", "own"}
        assert "average" in outcome["found"]
        assert ("own" in outcome["found"]) == (outcome["error"] != "no error")
        if rank == 0:
            assert "hook on rank 0, bucket 1: " in outcome["error"]


@pytest.fixture(scope="module")
def starved() -> Reports:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MALLOC_MMAP_THRESHOLD_", "65536")  # what is freed goes back at once
        return launch("starved", 3, limit_seconds=240)


@pytest.mark.parametrize(("attack", "ranks"), STARVING.items())
def test_all_ranks_hear_who_lacks_memory(starved: Reports, attack: str, ranks: list[int]) -> None:
    for rank, report in enumerate(starved):
        attacked_step, next_step = errors_of(report[attack])
        for error in (attacked_step, next_step) if rank in ranks else (next_step,):
            assert f"lmgc_torch hook on rank {rank}, bucket 0: " in error
            assert "can't allocate memory" in error or "out of memory" in error
        assert "rank 2 failed: " in next_step
        assert report[attack]["seconds"] < TIMEOUT_SECONDS


@pytest.mark.parametrize(
    "attack",
    [
        "kill at announcement 0",  # encoded
        "kill at payload 0",  # on the wire
        "kill after at payload 0",  # to decode
        "kill after at payload 1",
        "stop at payload 0",
        "stop at announcement 1",
        "interrupt at backward",  # the rank ends with KeyboardInterrupt
        "interrupt while backward waits",
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


def test_interrupted_at_a_terminal_all_ranks_end() -> None:
    launch("interrupted", 3, limit_seconds=60)
