"""What ranks send, and what they end with, for several world sizes."""

from typing import Any

import pytest

from ddp_launch import launch

DTYPES = ("torch.float32", "torch.bfloat16", "torch.float16")


@pytest.fixture(scope="module", params=[2, 3, 4, 8])
def shared(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    return launch("shared", request.param, limit_seconds=200)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_rank_has_the_sum_in_rank_order(shared: list[dict[str, Any]], dtype: str) -> None:
    for report in shared:
        assert report[dtype]["same"]
        assert report[dtype]["rate"] < 0.9


@pytest.mark.parametrize("dtype", DTYPES)
def test_no_rank_sends_more_than_its_part(shared: list[dict[str, Any]], dtype: str) -> None:
    """Below 2 (n - 1) / n x rate x raw + 2 %, counted at the process group."""
    reports = [report[dtype] for report in shared]
    for report in reports:
        assert report["counted_bytes"] == report["sent_bytes"]
        assert report["counted_bytes"] < 1.02 * bytes_by_formula(reports)


def bytes_by_formula(reports: list[dict[str, Any]]) -> float:
    """The rate is the mean of gradients' and sums': all ranks' payloads of one tell its bytes."""
    count = len(reports)
    if count == 2:
        return sum(report["payload_bytes"][0] for report in reports) / 2
    gradients = sum(report["payload_bytes"][0] for report in reports) / (count - 1)
    sums = sum(report["payload_bytes"][1] for report in reports) / (count - 1)
    return 2 * (count - 1) / count * (gradients + sums) / 2


def test_ranks_send_equally_much_though_values_differ_in_rate() -> None:
    """Of sums, from the step on that knows what the one before took."""
    steps = zip(*(report["steps"] for report in launch("uneven", 4)), strict=True)
    first, _, *later = steps  # after the first DDP makes new buckets
    assert unevenness(first) > 1.5
    assert all(unevenness(step) < 1.1 for step in later)


def unevenness(step: tuple[list[int], ...]) -> float:
    sent = [sums for _, sums in step]
    return max(sent) / sum(sent) * len(sent)


@pytest.fixture(scope="module", params=[4, 6])
def by_hosts(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    return launch("by_hosts", request.param, limit_seconds=200)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_rank_has_the_sum_of_hosts_sums(by_hosts: list[dict[str, Any]], dtype: str) -> None:
    for report in by_hosts:
        assert report[dtype]["same"]
        assert report[dtype]["counted_bytes"] == report[dtype]["sent_bytes"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_hosts_send_each_other_no_more_than_their_part(
    by_hosts: list[dict[str, Any]], dtype: str
) -> None:
    """Below 2 (h - 1) / h x rate x raw + 2 % a host of h, the first and last exchange inside."""
    hosts = len(by_hosts) // 2
    for host in range(hosts):
        reports = [by_hosts[rank][dtype] for rank in (host, host + hosts)]
        sent = sum(sum(report["payload_bytes"][1:3]) for report in reports)
        raw = reports[0]["raw_bytes"]
        rate = max(report[dtype]["rate"] for report in by_hosts)
        assert sent < 1.02 * 2 * (hosts - 1) / hosts * rate * raw
        assert rate < 0.9


def test_the_profiler_sees_each_stage_of_each_bucket() -> None:
    for report in launch("profiled", 3):
        ranges = report["ranges"]
        buckets = ranges.count("lmgc::observe")
        assert buckets > 1
        for name in ("lmgc::encode", "lmgc::wire", "lmgc::decode"):
            assert ranges.count(name) == 2 * buckets  # a shard for each peer, and the own sum
