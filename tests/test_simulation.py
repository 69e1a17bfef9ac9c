"""The simulation of a step, where its times can be computed by hand."""

import pytest

from simulation import (
    Codec,
    Link,
    Resource,
    Task,
    Workload,
    finish_times,
    halving_hops,
    hook_step_s,
    in_units,
    plain_step_s,
    ring_hops,
)

LINK = Link(bytes_per_s=100.0, latency_s=0.5, message_s=0.0)
NO_ANNOUNCEMENTS = 1e9  # so large are buckets and links that announcements do not show


def core(seconds: float, *after: int) -> Task:
    return Task(Resource.CORE, seconds, after)


def test_tasks_share_cores_but_use_one_each() -> None:
    assert finish_times([core(1), core(2)], cores=2) == [1, 2]
    assert finish_times([core(1), core(2)], cores=1) == [2, 3]
    assert finish_times([core(1)], cores=0.5) == [2]
    assert finish_times([core(1)], cores=8) == [1]


def test_resources_do_not_wait_for_each_other() -> None:
    tasks = [core(1), Task(Resource.LINK, 1), Task(Resource.LINK, 1), Task(Resource.TIME, 5)]
    assert finish_times(tasks, cores=1) == [1, 2, 2, 5]


def test_tasks_follow_those_before_them() -> None:
    assert finish_times([core(1, 1), core(2), core(0, 0)], cores=1) == [3, 2, 3]
    with pytest.raises(ValueError, match="circle"):
        finish_times([core(1, 1), core(1, 0)], cores=1)


def test_plain_step_of_one_bucket() -> None:
    workload = Workload(bucket_bytes=(400,), before_s=(2.0,), after_s=1.0)
    # 600 of its bytes leave a rank of 4, after 6 hops.
    expected = 2.0 + 6 * 0.5 + 600 / 100 + 1.0
    assert plain_step_s(workload, LINK, 4, 1.0, ring_hops(4)) == pytest.approx(expected)
    assert [halving_hops(ranks) for ranks in (2, 4, 5, 1000)] == [2, 4, 6, 20]


def test_plain_buckets_overlap_with_backward() -> None:
    workload = Workload(bucket_bytes=(100, 100), before_s=(1.0, 3.0), after_s=0.0)
    link = Link(bytes_per_s=100.0, latency_s=0.0, message_s=0.0)
    assert plain_step_s(workload, link, 2, 1.0, 0) == pytest.approx(1 + 3 + 1)


def test_hook_step_of_one_bucket() -> None:
    size = NO_ANNOUNCEMENTS
    workload = Workload(bucket_bytes=(int(size),), before_s=(2.0,), after_s=1.0)
    codec = Codec(rate=0.5, encode_s=4 / size, decode_s=8 / size, observe_s=1 / size)
    link = Link(bytes_per_s=size, latency_s=0.25, message_s=0.0)
    two = 2 + 4 + (3 * 0.25 + 0.5) + 8 + 1 + 1
    assert hook_step_s(workload, codec, link, 2, 1.0) == pytest.approx(two)
    exchange = 7 * 0.25 + 0.5 * 3 / 4
    four = 2 + 3 + exchange + (6 + 1) + exchange + 6 + 1 + 1
    assert hook_step_s(workload, codec, link, 4, 1.0) == pytest.approx(four)


def test_hook_buckets_pass_through_its_stages_one_after_another() -> None:
    size, buckets = NO_ANNOUNCEMENTS, 10
    work = Workload((int(size),) * buckets, (0.0,) * buckets, 0.0)
    codec = Codec(rate=0.5, encode_s=1 / size, decode_s=1 / size, observe_s=0.0)
    link = Link(bytes_per_s=size / 2, latency_s=0.0, message_s=0.0)
    # Encode, exchange and decode take a second each, and are busy with three buckets at a time.
    assert hook_step_s(work, codec, link, 2, 2.0) == pytest.approx(buckets + 2)
    # One core is shared by encoder and decoder.
    assert hook_step_s(work, codec, link, 2, 1.0) > 1.5 * buckets


def test_units_are_the_same_bytes_when_their_bucket_is_ready() -> None:
    work = in_units(Workload((10 << 20, 1 << 20), (3.0, 2.0), 1.0), ranks=8)
    assert work.bucket_bytes == (5 << 20, 5 << 20, 1 << 20)
    assert work.before_s == (3.0, 0.0, 2.0)
    assert in_units(Workload((10 << 20,), (3.0,), 1.0), ranks=16).bucket_bytes == (10 << 20,)


def test_a_workload_has_a_time_for_each_bucket() -> None:
    with pytest.raises(ValueError, match="2 buckets, but 1 times"):
        Workload((1, 2), (0.0,), 0.0)
