"""A scenario of three ranks whose gradients go through lossy stages."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import fp16_compress_wrapper
from torch.nn.parallel import DistributedDataParallel

import lmgc_torch
from ddp_basics import Report, error_of
from lmgc_torch import stages
from steps import averages

STEPS = 6
CHAINS: dict[str, list[stages.Stage]] = {
    "cast": [stages.Cast()],
    "8 bits": [stages.Quantize(8)],
    "4 bits, rows": [stages.Quantize(4, scale="row")],
    "2 bits, chance": [stages.Quantize(2, scale="row", rounding="stochastic")],
    "sign": [stages.Sign()],
    "top-k": [stages.TopK(share=0.05)],
    "top-k, bucket": [stages.TopK(share=0.05, per="bucket"), stages.Quantize(4)],
    "random-k": [stages.RandomK(share=0.2)],
    "threshold": [stages.Threshold(0.01)],
}


class Known(nn.Module):
    """Its gradients are its inputs, whatever its parameters are. DDP changes their order in its
    bucket after the first step.
    """

    def __init__(self) -> None:
        super().__init__()
        self.matrix = nn.Parameter(torch.zeros(90, 80))
        self.vector = nn.Parameter(torch.zeros(50))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (self.matrix.flatten() * x[:7200]).sum() + (self.vector * x[7200:]).sum()


def gradient(rank: int, turn: int) -> torch.Tensor:
    matrix = averages((90, 80), turn + 1, seed=rank + 1)[turn]
    return torch.cat([matrix.flatten(), torch.linspace(-1, 1 + rank, 50)])


class Trained:
    """A module with its hook; a step gives the average."""

    def __init__(self, chain: list[stages.Stage], device: str = "cpu", **options: Any) -> None:
        self.device = device
        self.ddp = DistributedDataParallel(Known().to(device))
        self.handle = lmgc_torch.register(self.ddp, "fast", stages=chain, **options)

    def step(self, *gradients: torch.Tensor) -> torch.Tensor:
        """All but the last are accumulated without being sent."""
        self.ddp.zero_grad()
        for own in gradients[:-1]:
            with self.ddp.no_sync():
                self.ddp(own.to(self.device)).backward()
        self.ddp(gradients[-1].to(self.device)).backward()
        grads = [p.grad.flatten() for p in self.ddp.parameters() if p.grad is not None]
        return torch.cat(grads).cpu()

    def residual(self) -> torch.Tensor:
        return torch.cat(list(self.handle.residual_state_dict().values())).cpu()


def summed(tensor: torch.Tensor) -> torch.Tensor:
    """Of all ranks, in float64."""
    total = tensor.double()
    dist.all_reduce(total)
    return total


def same_everywhere(tensor: torch.Tensor) -> bool:
    all_ranks = [torch.empty_like(tensor) for _ in range(dist.get_world_size())]
    dist.all_gather(all_ranks, tensor)
    return all(same_bits(tensor, other) for other in all_ranks)


def same_bits(one: torch.Tensor, other: torch.Tensor) -> bool:
    return torch.equal(one.view(torch.int32), other.view(torch.int32))


def feeds_back(rank: int, chain: list[stages.Stage]) -> Report:
    """What all ranks got and have left is what they had; and what the bytes were."""
    trained = Trained(chain)
    identical, got = True, torch.zeros(7250, dtype=torch.float64)
    had = torch.zeros(7250, dtype=torch.float64)
    for turn in range(STEPS):
        average = trained.step(gradient(rank, turn))
        identical = identical and same_everywhere(average)
        got += average.double()
        had += summed(gradient(rank, turn)) / dist.get_world_size()
    error = (got + summed(trained.residual()) - had).abs().max().item()
    total = trained.handle.stats().total
    return {
        "identical": identical,
        "error": error / had.abs().max().item(),
        "raw_bytes": total.raw_bytes,
        "payload_bytes": total.payload_bytes,
        "sent_bytes": total.sent_bytes,
        "buckets": total.buckets,
    }


def sum_in_rank_order() -> bool:
    """Without feedback: that of what each rank's stage makes of its part of the average."""
    stage = stages.Quantize(4)
    trained = Trained([stage], error_feedback=False)
    same = True
    for turn in range(3):
        average = trained.step(gradient(dist.get_rank(), turn))
        expected = torch.zeros(0)
        for rank in range(dist.get_world_size()):
            parts = (gradient(rank, turn) / dist.get_world_size()).split([7200, 50])
            made = torch.cat([stage.apply(part) for part in parts])
            expected = made if rank == 0 else expected + made
        same = same and torch.equal(average, expected)
    return same and trained.handle.residual_state_dict() == {}


def accumulated(rank: int) -> bool:
    """Gradients under no_sync count once, as one."""
    chain: list[stages.Stage] = [stages.TopK(share=0.05)]
    apart, together = Trained(chain), Trained(chain)
    same = True
    for turn in range(2):
        one, two = gradient(rank, turn), gradient(rank, turn + 2)
        same = same and torch.equal(apart.step(one, two), together.step(one + two))
    return same and torch.equal(apart.residual(), together.residual())


def resumed(rank: int, device: str = "cpu") -> bool:
    """There from a checkpoint of the CPU."""
    chain: list[stages.Stage] = [stages.Quantize(2, scale="row")]
    first, second = Trained(chain), Trained(chain, device)
    for turn in range(3):
        first.step(gradient(rank, turn))
    second.handle.load_state_dict(first.handle.state_dict())
    second.handle.load_residual_state_dict(first.handle.residual_state_dict())
    same = all(
        torch.equal(first.step(gradient(rank, turn)), second.step(gradient(rank, turn)))
        for turn in range(3, 5)
    )
    second.handle.load_residual_state_dict({})
    return same and not second.residual().any()


def error_of_nan(rank: int, device: str = "cpu") -> str:
    bad = gradient(rank, 0)
    if rank == 1:
        bad[7210] = float("nan")
    return error_of(lambda: Trained([stages.Sign()], device).step(bad))


def wrapped(rank: int) -> bool:
    """PyTorch's cast to float16 around it: the float16 bucket goes through the stages."""
    ddp = DistributedDataParallel(Known())
    state = lmgc_torch.HookState(ddp, "fast", stages=[stages.Quantize(8)])
    ddp.register_comm_hook(state, fp16_compress_wrapper(lmgc_torch.compress_hook))
    ddp(gradient(rank, 0)).backward()
    grads = [p.grad.flatten() for p in ddp.parameters() if p.grad is not None]
    mean = summed(gradient(rank, 0)) / dist.get_world_size()
    close = (torch.cat(grads) - mean).abs().max() < 0.05
    halved = state.stats().total.raw_bytes == 2 * 7250
    return bool(close) and halved and same_everywhere(torch.cat(grads))


def staged(rank: int) -> Report:
    report: Report = {name: feeds_back(rank, chain) for name, chain in CHAINS.items()}
    report["rank order"] = sum_in_rank_order()
    report["accumulated"] = accumulated(rank)
    report["resumed"] = resumed(rank)
    report["wrapped"] = wrapped(rank)

    def register(**options: Any) -> str:
        ddp = DistributedDataParallel(Known())
        return error_of(lambda: lmgc_torch.register(ddp, "fast", **options))

    report["differ"] = register(stages=[stages.Quantize(4 if rank == 0 else 8)])
    report["feedback"] = register(stages=[stages.Sign()], error_feedback=rank == 0)
    report["hosts"] = register(stages=[stages.Sign()], hosts=[[0], [1], [2]])
    other = error_of(
        lambda: Trained([stages.Sign()]).handle.load_residual_state_dict({"a": torch.ones(1)})
    )
    report["residuals"] = other
    report["nan"] = error_of_nan(rank)
    return report


def alike(rank: int, chain: list[stages.Stage], device: str) -> Report:
    """What the same gradients make on the CPU and on a device."""
    both = [Trained(chain), Trained(chain, device)]
    # By a power of two, so that fused or not a step rounds once.
    optimizers = [torch.optim.SGD(trained.ddp.parameters(), lr=0.5) for trained in both]
    averages = residuals = True
    for turn in range(3):
        averages &= same_bits(*(trained.step(gradient(rank, turn)) for trained in both))
        residuals &= same_bits(*(trained.residual() for trained in both))
        for optimizer in optimizers:
            optimizer.step()
    return {
        "averages": averages,
        "residuals": residuals,
        "residuals are there": all(
            residual.device.type == trained.device
            for trained in both
            for residual in trained.handle.residual_state_dict().values()
        ),
        "parameters": all(
            same_bits(one.data, other.data.cpu())
            for one, other in zip(*(trained.ddp.parameters() for trained in both), strict=True)
        ),
        "bytes": len({trained.handle.stats().total.payload_bytes for trained in both}) == 1,
    }


def staged_on_gpu(rank: int, device: str = "cuda") -> Report:
    """All ranks share it."""
    report: Report = {name: alike(rank, chain, device) for name, chain in CHAINS.items()}
    report["resumed"] = resumed(rank, device)
    report["nan"] = error_of_nan(rank, device)
    return report
