"""What a hook learned goes through checkpoints, to as many ranks or others, or to none at all."""

from collections.abc import Iterator
from typing import Any

import pytest

from ddp_launch import launch
from ddp_state import RANKS

Reports = list[dict[str, Any]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHECKPOINTS", str(tmp_path_factory.mktemp("checkpoints")))
        yield


@pytest.fixture(scope="module")
def saved(folder: None) -> Reports:
    return launch("checkpoint+rebuild", 3, limit_seconds=240)


@pytest.fixture(scope="module")
def resumed(saved: Reports) -> Reports:
    return launch("resume+unlike_states", 3, limit_seconds=240)


@pytest.mark.parametrize("way", ["distributed", "file"])
@pytest.mark.parametrize("size", RANKS)
def test_resumed_training_is_as_if_never_interrupted(
    saved: Reports, resumed: Reports, size: str, way: str
) -> None:
    """The same parameters after each step. With two ranks also payloads: not in the first step,
    when DDP has not yet rebuilt its buckets; from three ranks on shards are balanced anew."""
    for rank in RANKS[size]:
        expected, steps = saved[rank][size]["after"], resumed[rank][f"{size} to {size}, {way}"]
        assert [step["digest"] for step in steps] == [step["digest"] for step in expected]
        for turn, (step, before) in enumerate(zip(steps, expected, strict=True)):
            assert step["payload_bytes"] == pytest.approx(before["payload_bytes"], rel=0.005)
            if size == "two" and turn > 0:
                assert step["payload_bytes"] == before["payload_bytes"]


@pytest.mark.parametrize("way", ["distributed", "file"])
@pytest.mark.parametrize(("before", "size"), [("two", "three"), ("three", "two")])
def test_other_world_sizes_go_on_with_the_history(
    saved: Reports, resumed: Reports, before: str, size: str, way: str
) -> None:
    for rank in RANKS[size]:
        first = resumed[rank][f"{before} to {size}, {way}"][0]["rate"]
        assert first < 1.005 * saved[rank][size]["after"][0]["rate"]
        assert first < 0.95 * resumed[rank][f"{before} to {size}, none"][0]["rate"]


def test_history_is_of_parameters_whatever_their_bucket(saved: Reports) -> None:
    for report in saved:
        assert report["buckets"] != report["rebuilt"]
        assert report["steps"] == [4, 4, 4]
        assert report["same"] == [True, None] * 3


@pytest.mark.parametrize(
    ("given", "goes_on_with"),
    [("nobody has one", "later"), ("one has one", "saved"), ("one has none", "saved")],
)
def test_ranks_without_a_state_get_the_others(
    resumed: Reports, given: str, goes_on_with: str
) -> None:
    for report in resumed:
        assert report[given] == {"error": "no error", "is": [goes_on_with]}


@pytest.mark.parametrize(
    ("given", "culprits", "reason"),
    [
        ("another one", [], "history of layers.0.weight (ranks 0, 2: 6 steps, fingerprint "),
        ("damaged", [2], "rank 2: lmgc::predict: history's state is corrupt"),
        ("damaged for those who have none", [0, 1, 2], "ranks 0, 2: as received from rank 1: "),
        ("preset", [0], "rank 0: it is of preset 'max', this hook's is 'fast'"),
        ("parameters", [0, 1, 2], "ranks 0, 1, 2: only the model has a parameter scale"),
        ("no state", [1], "rank 1: it is no state of a hook"),
    ],
)
def test_states_that_do_not_fit_change_nothing_and_raise_on_all(
    resumed: Reports, given: str, culprits: list[int], reason: str
) -> None:
    for rank, report in enumerate(resumed):
        kind = "ValueError" if rank in culprits else "RuntimeError"
        error = report[given]["error"]
        assert error.startswith(f"{kind}: lmgc_torch.Handle.load_state_dict: ")
        assert reason in error
        assert report[given]["is"] == ["later"]
