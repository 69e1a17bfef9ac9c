"""A step of one rank as tasks that share its cores and its link; all ranks are alike.

The hook's pipeline as in docs/wire.md, and plain DDP. Where tasks of a kind run together
they share what there is evenly. Nobody waits for stragglers, links carry both directions at once.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto

MOST_IN_FLIGHT = 3  # of the hook's units
UNIT_BYTES, UNIT_BYTES_A_RANK = 4 * 1024**2, 512 * 1024
MOST_TURNS = 7  # in which the hook's payloads are sent
PLAIN_IN_FLIGHT = 2  # gloo's threads


class Resource(Enum):
    CORE = auto()
    LINK = auto()
    TIME = auto()  # a latency, shared with nobody


@dataclass(frozen=True)
class Task:
    """Seconds of a resource that nobody else uses meanwhile, after other tasks by number."""

    resource: Resource
    seconds: float
    after: tuple[int, ...] = ()


@dataclass(frozen=True)
class Link:
    """Of every rank."""

    bytes_per_s: float
    latency_s: float  # one way, from program to program
    message_s: float  # that a sender is busy with each message, however short
    cpu_s_per_byte: float = 0.0  # of a core, to send and receive one


@dataclass(frozen=True)
class Codec:
    """Core seconds a raw byte, and payload bytes / raw bytes."""

    rate: float
    encode_s: float
    decode_s: float
    observe_s: float

    def faster(self, factor: float) -> Codec:
        own = (self.encode_s, self.decode_s, self.observe_s)
        return Codec(self.rate, *(seconds / factor for seconds in own))


@dataclass(frozen=True)
class Workload:
    """Core seconds of a step without exchange, and its buckets in the order they are ready."""

    bucket_bytes: tuple[int, ...]
    before_s: tuple[float, ...]  # from the bucket before, or the step's start, until it is ready
    after_s: float  # when all are averaged

    def __post_init__(self) -> None:
        if len(self.bucket_bytes) != len(self.before_s):
            raise ValueError(
                f"Workload: {len(self.bucket_bytes)} buckets, but {len(self.before_s)} times"
            )


def in_units(workload: Workload, ranks: int) -> Workload:
    """As the hook averages its buckets."""
    sizes: list[int] = []
    before_s: list[float] = []
    for size, seconds in zip(workload.bucket_bytes, workload.before_s, strict=True):
        units = max(1, size // max(UNIT_BYTES, ranks * UNIT_BYTES_A_RANK))
        sizes += [size // units] * units
        before_s += [seconds] + [0.0] * (units - 1)
    return replace(workload, bucket_bytes=tuple(sizes), before_s=tuple(before_s))


def finish_times(tasks: Sequence[Task], cores: float) -> list[float]:
    """When each task ends. A task uses one core at most.

    Raises:
        ValueError: tasks wait for each other in a circle.
    """
    waits_for = [len(set(task.after)) for task in tasks]
    followers: list[list[int]] = [[] for _ in tasks]
    for number, task in enumerate(tasks):
        for other in set(task.after):
            followers[other].append(number)
    left = {number: tasks[number].seconds for number, count in enumerate(waits_for) if not count}
    ends: dict[int, float] = {}
    now = 0.0
    while left:
        together = Counter(tasks[number].resource for number in left)
        speeds = {
            Resource.CORE: min(1.0, cores / max(1, together[Resource.CORE])),
            Resource.LINK: 1.0 / max(1, together[Resource.LINK]),
            Resource.TIME: 1.0,
        }
        needed = {number: left[number] / speeds[tasks[number].resource] for number in left}
        passed = min(needed.values())
        now += passed
        for number, seconds in needed.items():
            if seconds > passed:
                left[number] -= passed * speeds[tasks[number].resource]
                continue
            del left[number]
            ends[number] = now
            for follower in followers[number]:
                waits_for[follower] -= 1
                if not waits_for[follower]:
                    left[follower] = tasks[follower].seconds
    if len(ends) < len(tasks):
        raise ValueError(f"{len(tasks) - len(ends)} tasks wait for each other in a circle")
    return [ends[number] for number in range(len(tasks))]


class Step:
    """The tasks of a step, as they are added."""

    def __init__(self) -> None:
        self.tasks: list[Task] = []

    def add(self, resource: Resource, seconds: float, *after: int) -> int:
        self.tasks.append(Task(resource, seconds, after))
        return len(self.tasks) - 1

    def ready(self, workload: Workload) -> list[int]:
        """The tasks after which each bucket is ready."""
        ready: list[int] = []
        for seconds in workload.before_s:
            ready.append(self.add(Resource.CORE, seconds, *ready[-1:]))
        return ready

    def transfer(
        self, link: Link, size: float, hops: int, messages: int, *after: int
    ) -> tuple[int, int]:
        """The tasks after which `size` bytes are there: latencies, then bytes."""
        begun_s = hops * link.latency_s + messages * link.message_s
        begun = self.add(Resource.TIME, begun_s, *after)
        moved = self.add(Resource.LINK, size / link.bytes_per_s, begun)
        return moved, self.add(Resource.CORE, size * link.cpu_s_per_byte, begun)


def ring_hops(ranks: int) -> int:
    """Of gloo's all-reduce."""
    return 2 * (ranks - 1)


def halving_hops(ranks: int) -> int:
    """Of recursive halving and doubling, which sends no more bytes than a ring."""
    return 2 * math.ceil(math.log2(ranks))


def plain_step_s(workload: Workload, link: Link, ranks: int, cores: float, hops: int) -> float:
    """Seconds of a step of plain DDP, whose all-reduce takes so many hops."""
    step = Step()
    ready = step.ready(workload)
    done: list[tuple[int, ...]] = []
    for bucket, size in enumerate(workload.bucket_bytes):
        turn = done[bucket - PLAIN_IN_FLIGHT] if bucket >= PLAIN_IN_FLIGHT else ()
        sent = 2 * (ranks - 1) / ranks * size
        done.append(step.transfer(link, sent, hops, hops, ready[bucket], *turn))
    everything = [number for numbers in done for number in numbers]
    step.add(Resource.CORE, workload.after_s, *everything)
    return finish_times(step.tasks, cores)[-1]


def stage_costs(codec: Codec, size: int, ranks: int) -> list[tuple[Resource, float]]:
    """Of a bucket of `size` bytes: core seconds, or bytes where the resource is the link."""
    others = (ranks - 1) / ranks * size
    announced = 8 * (ranks + 3) * (ranks - 1)
    sent = others * codec.rate + announced
    if ranks == 2:
        return [
            (Resource.CORE, size * codec.encode_s),
            (Resource.LINK, size * codec.rate + announced),
            (Resource.CORE, size * (codec.decode_s + codec.observe_s)),
        ]
    return [
        (Resource.CORE, others * codec.encode_s),
        (Resource.LINK, sent),
        (Resource.CORE, others * codec.decode_s + size / ranks * codec.encode_s),
        (Resource.LINK, sent),
        (Resource.CORE, others * codec.decode_s + size * codec.observe_s),
    ]


def hook_step_s(workload: Workload, codec: Codec, link: Link, ranks: int, cores: float) -> float:
    """Seconds of a step of the hook: stages with a thread each, buckets in order.

    An exchange takes a hop for announcements and two for each turn of payloads, which are asked
    for; with two messages to each peer.
    """
    step = Step()
    ready = step.ready(workload)
    hops = 1 + 2 * min(ranks - 1, MOST_TURNS)
    done: list[list[tuple[int, ...]]] = []  # by bucket and stage
    for bucket, size in enumerate(workload.bucket_bytes):
        last: tuple[int, ...] = (ready[bucket],)
        if bucket >= MOST_IN_FLIGHT:
            last += done[bucket - MOST_IN_FLIGHT][-1]
        stages: list[tuple[int, ...]] = []
        for stage, (resource, cost) in enumerate(stage_costs(codec, size, ranks)):
            turn = done[-1][stage] if done else ()
            if resource is Resource.LINK:
                last = step.transfer(link, cost, hops, 2 * (ranks - 1), *last, *turn)
            else:
                last = (step.add(resource, cost, *last, *turn),)
            stages.append(last)
        done.append(stages)
    step.add(Resource.CORE, workload.after_s, *(number for stages in done for number in stages[-1]))
    return finish_times(step.tasks, cores)[-1]
