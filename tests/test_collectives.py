"""Collectives on real process groups: the bits of sums in rank order, and errors for all."""

from typing import Any

import pytest

from ddp_launch import launch

Reports = list[dict[str, Any]]


@pytest.fixture(scope="module", params=[2, 3, 4])
def collectives(request: pytest.FixtureRequest) -> Reports:
    return launch("collectives", request.param)


def test_every_collective_gives_the_same_bits_on_every_rank(collectives: Reports) -> None:
    for report in collectives:
        assert [name for name, right in report["right"].items() if not right] == []


def test_history_makes_later_calls_smaller(collectives: Reports) -> None:
    for report in collectives:
        waited, under_way = report["history"]["waited"], report["history"]["under way"]
        assert waited["same"] and under_way["same"]
        assert waited["sizes"][1] < 0.9 * waited["sizes"][0]
        assert under_way["total"] == waited["total"]
        assert waited["gathered"] and under_way["gathered"]


ERRORS = {
    "sizes": ", all_reduce SUM of Float [4] by fast with 16 bytes",
    "shapes": "all_reduce SUM of Float [4, 3] by fast",
    "dtypes": "all_reduce SUM of Int [4] by fast",
    "ops": "all_reduce AVG of Float [4] by fast",
    "presets": "all_reduce SUM of Float [4] by max",
    "codec": "all_reduce AVG of Float [3, 4] by fast",
    "kinds": "make the same calls in the same order on every rank",
    "no preset": "rank {last} failed: unknown preset 'quick'; use one of fast",
    "complex": "rank {last} failed: dtype ComplexFloat is not supported; pass torch.view_as_real",
    "sparse": "rank {last} failed: layout Sparse is not supported; pass a dense tensor",
    "meta": "rank {last} failed: tensors on meta are not supported yet; pass tensor.cpu()",
    "bool": "dtype Bool is not supported; use float32",
    "unsigned": "PyTorch has no sums of dtype UInt16; use a signed integer dtype",
    "integer average": "ReduceOp AVG of dtype Long would round; use SUM and divide",
    "max": "ReduceOp MAX is not supported; use SUM or AVG",
    "parts": "outputs must be one tensor of {count} x 4 values or {count} tensors of 4, got [4, 4",
    "history of parts": "a rank does not know the averages of the others' parts",
    "integer history": "dtype Int has no history; use a Codec without shapes",
    "values": "parameters of 4096 values in a tensor of 5",
}


@pytest.fixture(scope="module", params=[2, 3])
def failing(request: pytest.FixtureRequest) -> Reports:
    return launch("collective_errors", request.param)


def test_all_ranks_hear_of_an_error_and_go_on(failing: Reports) -> None:
    count = len(failing)
    for rank, report in enumerate(failing):
        assert set(report["calls"]) == set(ERRORS)
        for name, text in ERRORS.items():
            error = report["calls"][name]["error"]
            assert f" on rank {rank}, call " in error, (name, error)
            assert text.format(last=count - 1, count=count) in error, (name, error)
            assert report["calls"][name]["next"], name


def test_nobody_goes_on_after_histories_parted(failing: Reports) -> None:
    for report in failing:
        for error in report["other histories"]:
            assert "history" in error and "cannot decode the payload of rank" in error


def test_a_rank_that_is_gone_is_named() -> None:
    report = launch("collective_gone", 2)[0]
    assert "lmgc_torch all_reduce on rank 0, call 1: lost rank 1" in report["error"]
    assert report["seconds"] < 14
    assert "init_process_group" in report["destroyed"]
    good, error, good_again = report["alone"]
    assert good and good_again
    assert "lmgc_torch all_reduce on rank 0, call 1: dtype ComplexFloat" in error
