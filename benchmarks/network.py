"""Training over slow links: sudo -E python benchmarks/network.py [--quick].

Ranks in network namespaces, joined by veth and a bridge and shaped with tc, train real nets with
plain DDP, PyTorch's compressing hooks, PowerSGD and our presets. A net has first been trained on
one rank, as long as in the benchmark of rates; then all ranks together take its usual batch. At
each bandwidth methods take turns. Writes network.json, network.md and network.png. Needs root.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType

import torch
from rich.console import Console

from environment import environment
from methods import ALONE, BASELINE, METHODS
from namespaces import Network, NetworkError
from network_cells import Layout, Record, Timeline
from network_report import draw, show
from race import WARM_UP, Race, progress_on
from ranks import Job, Ranks, pretrain
from tasks import TASKS

RESULTS = Path(__file__).resolve().parent / "results"
PACKAGES = ("torch", "lmgc_torch")
STARTS = Path("build/network")
ALONE_STEPS = 8
METHODS_BY_DEFAULT = ("fp16", "bf16", "PowerSGD", "fast", "balanced")
MEMORY_SHARE = 0.6  # of what is available
PROCESS_BYTES = 150_000_000
BYTES_A_PARAMETER = 40  # gradient, buckets, Adam, history, activations


@dataclass(frozen=True)
class Plan:
    """Where a net is trained unless options say otherwise."""

    layouts: tuple[Layout, ...]
    mbit: tuple[float, ...]


SMALL = Plan((Layout(2, 1), Layout(4, 1), Layout(8, 1)), (10.0, 100.0, 1000.0, 10_000.0))
# The largest net takes minutes a step on the slowest links, and on eight ranks of two cores.
LARGE = Plan((Layout(2, 1), Layout(4, 1)), (100.0, 300.0, 1000.0, 10_000.0))
PLANS = {"resnet": SMALL, "gpt128": SMALL, "gpt512": LARGE}
QUICK = {"gpt128": Plan((Layout(2, 1), Layout(4, 1)), (10.0, 100.0, 1000.0))}


def start_of(task: str, threads: int, console: Console) -> Path:
    """The net as trained on one rank; the file is kept for the next run."""
    STARTS.mkdir(parents=True, exist_ok=True)
    file = STARTS.resolve() / f"{task}.pt"
    if not file.exists():
        console.print(f"{task}: {TASKS[task][1][0]} steps on one rank, once")
        pretrain(task, file, threads)
    return file


def available_bytes() -> int:
    lines = Path("/proc/meminfo").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))


def batches(methods: list[str], job: Job) -> Iterator[list[str]]:
    """As many methods as memory holds at a time beside plain DDP."""
    parameters = sum(t.numel() for t in torch.load(job.start)["net"].values())
    of_group = job.world_size * (PROCESS_BYTES + BYTES_A_PARAMETER * parameters)
    most = max(1, int(MEMORY_SHARE * available_bytes() / of_group) - 1)
    for first in range(0, max(1, len(methods)), most):
        yield methods[first : first + most]


def alone(job: Job, layout: Layout, network: Network) -> Timeline:
    with Ranks(job, network) as ranks:
        ranks.train(2)  # DDP forms its buckets after the first step
        trained = ranks.train(ALONE_STEPS)
    return Timeline(job.task, layout, trained.median_s, trained.cpu_s, trained.ready)


def measure(
    task: str, layout: Layout, mbit: tuple[float, ...], methods: list[str], race: Race
) -> None:
    cores = len(os.sched_getaffinity(0))
    start = start_of(task, cores, race.console)
    with Network(layout.hosts) as network, tempfile.TemporaryDirectory() as folder:
        race.record.about["netem"] = network.has_netem()
        threads = max(1, cores // layout.ranks)
        job = Job(task, BASELINE, layout.ranks, threads, start, Path(folder, "alone"))
        race.record.timelines.append(alone(replace(job, method=ALONE), layout, network))
        for number, batch in enumerate(batches(methods, job)):
            jobs = [
                replace(job, method=method, folder=Path(folder, f"{number}-{method}"))
                for method in (BASELINE, *batch)
            ]
            race.run(jobs, layout, network, mbit)


def stop(number: int, _: FrameType | None) -> None:
    """As Ctrl-C does: namespaces are removed on the way out."""
    sys.exit(128 + number)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", nargs="+", choices=PLANS)
    parser.add_argument("--layouts", nargs="+", type=Layout.parse, help="hosts x ranks: 4x1, 2x2")
    parser.add_argument("--mbit", nargs="+", type=float, help="of each host's link, both ways")
    others = [method for method in METHODS if method not in (BASELINE, ALONE)]
    parser.add_argument("--methods", nargs="*", choices=others, default=list(METHODS_BY_DEFAULT))
    parser.add_argument("--output", type=Path, default=RESULTS, help="where the results go")
    parser.add_argument("--quick", action="store_true", help="one small net, 2 and 4 ranks")
    return parser.parse_args()


def plans_of(options: argparse.Namespace) -> dict[str, Plan]:
    known = QUICK if options.quick else PLANS
    return {
        task: Plan(
            tuple(options.layouts or known.get(task, PLANS[task]).layouts),
            tuple(options.mbit or known.get(task, PLANS[task]).mbit),
        )
        for task in options.tasks or known
    }


def main() -> None:
    options = parsed()
    plans = plans_of(options)
    signal.signal(signal.SIGTERM, stop)
    # This process forks ranks, so it keeps to one thread.
    torch.set_num_threads(1)
    console = Console()
    about = {"environment": environment(PACKAGES), "warm_up_steps": WARM_UP}
    record = Record(about)
    file = options.output / ("network-quick.json" if options.quick else "network.json")
    with progress_on(console) as progress:
        cells = sum(len(plan.layouts) * len(plan.mbit) for plan in plans.values())
        bar = progress.add_task("", total=cells * (1 + len(options.methods)))
        race = Race(record, progress, bar)
        for task, plan in plans.items():
            for layout in plan.layouts:
                measure(task, layout, plan.mbit, options.methods, race)
                record.save(file)
    if not about["netem"]:
        console.print("This kernel has no netem: links have a rate, and neither delay nor loss.")
    file.with_suffix(".md").write_text(show(record, console))
    draw(record, file.with_suffix(".png"))
    console.print(f"{file} and its .md and .png written.")


if __name__ == "__main__":
    try:
        main()
    except NetworkError as error:
        raise SystemExit(f"benchmarks/network.py: {error}") from None
