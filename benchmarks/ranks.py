"""Processes that train one net by one method, each in a namespace, in step with each other."""

from __future__ import annotations

import ctypes
import hashlib
import multiprocessing
import os
import signal
import statistics
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

import lmgc_torch
from methods import METHODS, Installed, Timeline
from namespaces import INTERFACE, Network, enter
from network_cells import Ready
from tasks import TASKS, Batch, Task

TIMEOUT_S = 300.0  # for a bucket, and a step has few
PR_SET_PDEATHSIG = 1
FORK = multiprocessing.get_context("fork")


class RankError(RuntimeError):
    """A rank failed; with its last words."""


@dataclass(frozen=True)
class Job:
    """What a group of ranks trains."""

    task: str
    method: str
    world_size: int
    threads: int  # of each rank
    start: Path  # net and optimizer to begin with, by pretrain()
    folder: Path  # shared by the group alone: where it meets and leaves parameters


@dataclass(frozen=True)
class Trained:
    """What some steps took."""

    step_s: list[float]  # from the last rank's end of a step to the last rank's end of the next
    cpu_s: float  # of a rank and step: mean
    sent_bytes: float  # by a rank in a step, on its host's interface: mean
    buckets: list[dict[str, float]]  # of a rank and step, by our hook's counters: mean over both
    ready: Ready  # median over both

    @property
    def median_s(self) -> float:
        return statistics.median(self.step_s)


def pretrain(task: str, file: Path, threads: int) -> None:
    """Trains in a process of its own, so that this one has no threads when it forks."""
    process = FORK.Process(target=_pretrain, args=(task, file, threads))
    process.start()
    process.join()
    if process.exitcode:
        raise RankError(f"training {task} on one rank ended with exit code {process.exitcode}")


def _pretrain(name: str, file: Path, threads: int) -> None:
    _die_with_parent()
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    build, steps = TASKS[name]
    task = build()
    for _ in range(steps[0]):
        task.backward()
        task.optimizer.step()
    partial = file.with_suffix(".partial")
    torch.save({"net": task.net.state_dict(), "optimizer": task.optimizer.state_dict()}, partial)
    partial.rename(file)


class Ranks:
    """A group of processes, some on each host; they wait between two calls. A context manager.

    Raises:
        RankError: a rank could not start, failed or did not answer in time.
    """

    def __init__(self, job: Job, network: Network) -> None:
        self.job = job
        self._network = network
        self._processes = []
        self._connections: list[Connection] = []
        per_host = job.world_size // len(network.hosts)
        job.folder.mkdir()
        for rank in range(job.world_size):
            here, there = FORK.Pipe()
            arguments = (job, rank, network.hosts[rank // per_host], there)
            process = FORK.Process(target=_work, args=arguments)
            process.start()
            there.close()
            self._processes.append(process)
            self._connections.append(here)

    def __enter__(self) -> Ranks:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for process in self._processes:
            process.kill()
            process.join()

    def train(self, steps: int) -> Trained:
        before = self._network.sent_bytes()
        replies = self._ask(("train", steps))
        sent = sum(self._network.sent_bytes()) - sum(before)
        ends = [max(times) for times in zip(*(reply["ends"] for reply in replies), strict=True)]
        mean = 1.0 / (self.job.world_size * steps)
        first = replies[0]
        buckets = [
            {name: mean * sum(reply["buckets"][i][name] for reply in replies) for name in bucket}
            for i, bucket in enumerate(first["buckets"])
        ]
        ready = [reply["ready"] for reply in replies if reply["ready"]]
        return Trained(
            step_s=[after - before for before, after in zip(ends[:-1], ends[1:], strict=True)],
            cpu_s=mean * sum(reply["cpu_s"] for reply in replies),
            sent_bytes=mean * sent,
            buckets=buckets,
            ready=median_ready(ready),
        )

    def parameters(self) -> tuple[list[str], dict[str, Tensor]]:
        """Hash of each rank's parameters, and rank 0's."""
        hashes = self._ask(("parameters",))
        return hashes, torch.load(self.job.folder / "parameters.pt")

    def explain(self) -> str:
        """What rank 0's hook says of itself."""
        text: str = self._ask(("explain",))[0]
        return text

    def _ask(self, request: tuple[object, ...]) -> list[Any]:
        for connection in self._connections:
            with suppress(BrokenPipeError):  # its last words are still there
                connection.send(request)
        return self._replies()

    def _replies(self) -> list[Any]:
        replies = []
        for rank, connection in enumerate(self._connections):
            try:
                # A rank that waits for a lost one says so after TIMEOUT_S.
                if not connection.poll(2 * TIMEOUT_S):
                    raise RankError(f"rank {rank} did not answer in {2 * TIMEOUT_S:.0f} s")
                reply, error = connection.recv()
            except EOFError:
                code = self._processes[rank].exitcode
                raise RankError(f"rank {rank} ended with exit code {code}") from None
            if error:
                raise RankError(f"rank {rank}: {error}")
            replies.append(reply)
        return replies


def median_ready(steps: Sequence[Ready]) -> Ready:
    """Of steps with buckets as in the last one: after its first step DDP makes new ones."""
    same = [step for step in steps if len(step) == len(steps[-1])]
    return [
        (statistics.median(seconds for seconds, _ in bucket), bucket[0][1])
        for bucket in zip(*same, strict=True)
    ]


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _work(job: Job, rank: int, host: str, connection: Connection) -> None:
    """What each process does until it is killed or its parent ends."""
    _die_with_parent()
    try:
        enter(host)
        rank_training = Training(job, rank)
        while True:
            action, *arguments = connection.recv()
            connection.send((getattr(rank_training, action)(*arguments), None))
    except Exception as error:
        connection.send((None, f"{type(error).__name__}: {error}"))


class Training:
    """One rank's net, its part of each batch, and the method under test."""

    def __init__(self, job: Job, rank: int) -> None:
        torch.set_num_threads(job.threads)
        os.environ["GLOO_SOCKET_IFNAME"] = INTERFACE
        dist.init_process_group(
            "gloo",
            init_method=f"file://{job.folder}/meeting",
            rank=rank,
            world_size=job.world_size,
            timeout=timedelta(seconds=TIMEOUT_S),
        )
        self._job, self._rank = job, rank
        torch.manual_seed(2)
        task = TASKS[job.task][0]()
        start = torch.load(job.start)
        task.net.load_state_dict(start["net"])
        task.optimizer.load_state_dict(start["optimizer"])
        method = METHODS[job.method]
        ddp = DistributedDataParallel(task.net, **method.ddp)
        self._task = replace(task, net=ddp, draw=self._part_of(task))
        self._installed: Installed = method.install(ddp)

    def _part_of(self, task: Task) -> Any:
        """All ranks draw the same batch, and each takes its part."""

        def draw() -> Batch:
            inputs, targets = task.draw()
            mine = slice(self._rank, None, self._job.world_size)
            return inputs[mine], targets[mine]

        return draw

    def train(self, steps: int) -> dict[str, Any]:
        if isinstance(self._installed, lmgc_torch.Handle):
            self._installed.stats(reset=True)
        ready: list[Ready] = []
        cpu = time.process_time()
        ends = [time.monotonic()]
        for _ in range(steps):
            self._task.backward()
            self._task.optimizer.step()
            if isinstance(self._installed, Timeline):
                ready.append([(at - ends[-1], size) for at, size in self._installed.ready])
                self._installed.ready.clear()
            ends.append(time.monotonic())
        cpu_s = time.process_time() - cpu
        buckets = []
        if isinstance(self._installed, lmgc_torch.Handle):
            counted = self._installed.stats().buckets
            buckets = [asdict(counted[index]) for index in sorted(counted)]
        return {
            "ends": ends, "cpu_s": cpu_s, "buckets": buckets,
            "ready": median_ready(ready) if ready else [],
        }  # fmt: skip

    def explain(self) -> str:
        assert isinstance(self._installed, lmgc_torch.Handle)
        return self._installed.explain()

    def parameters(self) -> str:
        named = self._task.net.named_parameters()
        parameters = {name: parameter.detach() for name, parameter in named}
        hashed = hashlib.sha256()
        for parameter in parameters.values():
            hashed.update(parameter.contiguous().numpy().tobytes())
        if self._rank == 0:
            torch.save(parameters, self._job.folder / "parameters.pt")
        return hashed.hexdigest()
