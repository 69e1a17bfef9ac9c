"""What a CompressedGroup saves of PyTorch's PowerSGD: python benchmarks/power_sgd.py.

Two processes over gloo train the nets of convergence.py with powerSGD_hook, first on a plain group
and then on a CompressedGroup; parameters must be the same bits. Counted is what one rank sends the
other. Writes power_sgd.json and .md.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from rich.console import Console
from torch.distributed.algorithms.ddp_comm_hooks.powerSGD_hook import PowerSGDState, powerSGD_hook
from torch.nn.parallel import DistributedDataParallel

import lmgc_torch
from convergence import TASKS, loss_of
from environment import environment

RESULTS = Path(__file__).resolve().parent / "results"
RANKS = 2
CASES = [(task, rank, preset) for task in TASKS for rank in (1, 4) for preset in ("fast", "max")]


@dataclass(frozen=True)
class Result:
    task: str
    matrix_rank: int
    preset: str
    steps: int
    gradient_bytes: int  # of float32 gradients, all steps
    factor_bytes: int  # of what PowerSGD sends instead
    payload_bytes: int


def train(task_name: str, matrix_rank: int, group: dist.ProcessGroup, steps: int) -> torch.Tensor:
    """The parameters after `steps`."""
    torch.manual_seed(1)
    task = TASKS[task_name]()
    torch.manual_seed(100 + dist.get_rank())  # other batches on each rank
    ddp = DistributedDataParallel(task.net, bucket_cap_mb=1000)
    state = PowerSGDState(group, matrix_approximation_rank=matrix_rank, start_powerSGD_iter=2)
    ddp.register_comm_hook(state, powerSGD_hook)
    for _ in range(steps):
        task.optimizer.zero_grad()
        loss_of(task, task.draw(), ddp)[0].backward()  # type: ignore[no-untyped-call]
        task.optimizer.step()
    return torch.cat([parameter.detach().flatten() for parameter in ddp.parameters()])


def work(rank: int, steps: int, store: str, file: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=RANKS)
    results = []
    for task, matrix_rank, preset in CASES:
        plain, compressed = dist.new_group(), lmgc_torch.CompressedGroup(dist.new_group(), preset)
        expected = train(task, matrix_rank, plain, steps)
        if not torch.equal(expected, train(task, matrix_rank, compressed, steps)):
            raise RuntimeError(f"{task}: other parameters than on plain gloo")
        counted = lmgc_torch.collective_counters(compressed.wrapped)
        results.append(
            Result(
                task,
                matrix_rank,
                preset,
                steps,
                4 * len(expected) * steps,
                counted.raw_bytes,
                counted.payload_bytes,
            )  # fmt: skip
        )
    if rank == 0:
        Path(file).write_text(json.dumps([asdict(result) for result in results]))
    dist.destroy_process_group()


def table(results: list[Result]) -> str:
    text = "| net | rank | preset | gradients / factors | payloads / factors | in all |\n"
    text += "|---|---|---|---|---|---|\n"
    for one in results:
        text += (
            f"| {one.task} | {one.matrix_rank} | {one.preset} "
            f"| {one.gradient_bytes / one.factor_bytes:.1f} "
            f"| {one.payload_bytes / one.factor_bytes:.3f} "
            f"| {one.gradient_bytes / one.payload_bytes:.1f} |\n"
        )
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        arguments = (options.steps, f"{folder}/store", f"{folder}/results")
        mp.spawn(work, arguments, nprocs=RANKS)  # type: ignore[attr-defined,no-untyped-call]
        results = [Result(**one) for one in json.loads(Path(folder, "results").read_text())]
    text = table(results)
    Console(width=120).print(text, markup=False)
    report = {
        "environment": environment(("torch", "lmgc_torch")),
        "results": [asdict(result) for result in results],
    }
    (options.output / "power_sgd.json").write_text(json.dumps(report, indent=1) + "\n")
    (options.output / "power_sgd.md").write_text(text)


if __name__ == "__main__":
    main()
