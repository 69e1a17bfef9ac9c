"""Decisions of the planner in worlds whose costs are known; what is written of steps."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from ddp_launch import launch
from lmgc_torch import _C

RAW = 40_000_000
PRESETS = ["fast", "balanced", "max"]
RATES = {None: 1.0, "fast": 0.73, "balanced": 0.72, "max": 0.70}
CODEC_MS = {None: 0, "fast": 250, "balanced": 350, "max": 6000}
COMPUTE_MS = 200


@dataclass
class World:
    """Two ranks and buckets that go over a link one after another, with the codec beside them."""

    megabits: float
    buckets: list[int] = field(default_factory=lambda: [RAW])
    latency_ms: float = 0.1
    clock_ns: int = 0
    steps: dict[str | None, int] = field(default_factory=dict)
    links: int = 0

    def __post_init__(self) -> None:
        self.counters = {index: [0, 0, 0, 0] for index in range(len(self.buckets))}
        self.planner = _C.Planner(
            PRESETS,
            2,
            1,
            now_ns=lambda: self.clock_ns,
            counters=lambda: self.counters,
            largest=lambda numbers: numbers,
            link=self.link,
        )

    def link(self) -> list[int]:
        self.links += 1
        latency = int(self.latency_ms * 1e6)
        return [latency, latency, int(self.megabits * 1e6 / 8)]

    def method_of(self, bucket: int) -> str | None:
        method = self.planner.method_of(bucket)
        return None if method is None else PRESETS[method]

    def train(self, steps: int) -> str | None:
        """The method of the first bucket at the end."""
        for _ in range(steps):
            self.planner.begin_step()
            wire_ms = codec_ms = 0.0
            for bucket, raw in enumerate(self.buckets):
                method = self.method_of(bucket)
                own_ms = CODEC_MS[method] * raw / RAW
                sent = int(RATES[method] * raw)
                wire_ms += self.latency_ms * (1 if method is None else 2)
                wire_ms += 8e-3 * sent / self.megabits
                codec_ms = max(codec_ms, own_ms)
                counted = (raw, sent, int(own_ms * 1e6), int(own_ms * 1e6))
                self.counters[bucket] = [
                    a + b for a, b in zip(self.counters[bucket], counted, strict=True)
                ]
            first = self.method_of(0)
            self.steps[first] = self.steps.get(first, 0) + 1
            self.clock_ns += int(1e6 * (COMPUTE_MS + max(wire_ms, codec_ms)))
        return self.method_of(0)


def outcomes(world: World) -> list[str]:
    return [trial["outcome"] for trial in world.planner.report()["presets"]]


def test_a_fast_link_is_left_alone_at_once() -> None:
    world = World(megabits=100_000)
    assert world.train(1000) is None
    assert world.steps == {None: 1000}
    assert outcomes(world) == ["skipped", "skipped", "skipped"]


def test_a_link_as_fast_as_the_codec_is_tried_and_left_alone() -> None:
    world = World(megabits=2000)
    assert world.train(200) is None
    assert outcomes(world) == ["measured", "skipped", "skipped"]


def test_a_slow_link_gets_a_preset() -> None:
    world = World(megabits=300)
    assert world.train(200) == "balanced"
    assert outcomes(world) == ["measured", "measured", "skipped"]


def test_the_slowest_link_gets_the_smallest_preset() -> None:
    world = World(megabits=10)
    assert world.train(200) == "max"
    assert outcomes(world) == ["measured"] * 3


def test_small_buckets_stay_plain() -> None:
    world = World(megabits=100, buckets=[RAW, 2000], latency_ms=2)
    world.train(200)
    assert world.method_of(0) is not None
    assert world.method_of(1) is None
    assert world.planner.report()["plain_buckets"] == [False, True]


@pytest.mark.parametrize(("before", "after"), [(300, 100_000), (100_000, 300)])
def test_it_tries_again_when_the_link_changes(before: float, after: float) -> None:
    """The slower link is heard of by its steps, the faster one by them or by a measurement."""
    world = World(megabits=before)
    first = world.train(100)
    world.megabits = after
    second = world.train(600)
    assert (first is None) == (before > 1000)
    assert (second is None) == (after > 1000)
    assert world.planner.report()["reason"] == "the link changed"


def test_it_measures_ever_more_seldom_while_nothing_changes() -> None:
    world = World(megabits=300)
    world.train(20_000)
    assert world.links < 9
    assert world.steps[None] == 6


def test_a_plan_goes_on_from_a_checkpoint() -> None:
    world = World(megabits=300)
    world.planner.resume(0)
    assert world.train(200) == "fast"
    assert world.steps == {"fast": 200}
    assert world.links == 1


@pytest.mark.parametrize("world_size", [2, 3])
def test_ranks_plan_alike(world_size: int) -> None:
    reports = launch("planned", world_size)
    for report in reports:
        assert report["identical"]
        assert report["like_plain"] or world_size > 2  # whose sums are in another order
        assert 6 <= report["plain_buckets"] < report["buckets"]
        assert report["plain_buckets"] == reports[0]["plain_buckets"]
        assert "trying plain allreduce" in report["before"]
        assert report["after"] == reports[0]["after"]
        assert "plain allreduce, decided at step" in report["after"]
        assert report["state"] == "plain"


def test_a_log_has_each_step_by_bucket() -> None:
    for report in launch("logged", 2):
        assert [line["step"] for line in report["lines"]] == [0, 1, 2]
        for line in report["lines"]:
            buckets = line["per_bucket"]
            assert {bucket["method"] for bucket in buckets} == {"fast"}
            assert line["buckets"] == len(buckets) == sum(b["buckets"] for b in buckets)
            for name in ("raw_bytes", "sent_bytes", "payload_bytes"):
                assert line[name] == sum(bucket[name] for bucket in buckets) > 0
            assert line["rate"] == line["payload_bytes"] / line["coded_bytes"]
        assert report["lines"][-1]["sent_bytes"] == report["sent_bytes"]
        curve = [value for tag, value, _ in report["board"] if tag == "lmgc_torch/sent_bytes"]
        assert curve == [line["sent_bytes"] for line in report["lines"]]
