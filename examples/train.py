"""A training script with everything that compression adds to one: the hook, its state in
checkpoints, and what it tells.

    torchrun --nproc-per-node 2 examples/train.py [--preset auto] [--bits 4] [--checkpoint FOLDER]

With a checkpoint, in a folder that all ranks see, it goes on where the last run ended: with a fixed
preset and as many ranks, with the bits of a run that never ended. Needs scikit-learn, for digits.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.parallel import DistributedDataParallel

import lmgc_torch

BATCH, REPORT = 32, 20


def network() -> nn.Module:
    first = (nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
    second = (nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.Flatten())
    return nn.Sequential(*first, *second, nn.Linear(1024, 64), nn.ReLU(), nn.Linear(64, 10))


class Checkpoint:
    """What a run leaves for the next: one file of what all ranks share, and one of each rank's own,
    which belong together by their step."""

    def __init__(
        self,
        folder: Path,
        parts: dict[str, Any],
        handle: lmgc_torch.Handle,
        options: dict[str, Any],
    ) -> None:
        self.folder = folder
        self.shared = folder / "state.pt"
        self.parts = parts
        self.handle = handle
        self.options = options

    def own(self, step: int) -> Path:
        return self.folder / f"residual-{step}-{dist.get_rank()}.pt"

    def load(self) -> int:
        """The number of steps that were done."""
        if not self.shared.exists():
            return 0
        state = torch.load(self.shared, map_location="cpu", weights_only=True)
        if state["options"] != self.options:
            raise SystemExit(f"{self.folder} is of {state['options']}, this run of {self.options}")
        for name, part in self.parts.items():
            part.load_state_dict(state[name])
        self.handle.load_state_dict(state["hook"])  # all ranks at once
        same_ranks = state["ranks"] == dist.get_world_size()  # others begin with no residuals
        own = self.own(state["step"])
        left = torch.load(own, map_location="cpu", weights_only=True) if same_ranks else {}
        self.handle.load_residual_state_dict(left)
        return int(state["step"])

    def save(self, step: int) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        put(self.own(step), self.handle.residual_state_dict())
        dist.barrier()  # before the shared file names this step
        if dist.get_rank() == 0:
            state = {name: part.state_dict() for name, part in self.parts.items()}
            state |= {"hook": self.handle.state_dict(), "options": self.options}
            put(self.shared, {**state, "step": step, "ranks": dist.get_world_size()})
        dist.barrier()
        for old in self.folder.glob(f"residual-*-{dist.get_rank()}.pt"):
            if old != self.own(step):
                old.unlink()


def put(path: Path, state: dict[str, Any]) -> None:
    """Writes it whole or not at all."""
    part = path.with_suffix(".part")
    torch.save(state, part)
    part.replace(path)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Trains on digits, gradients compressed.")
    parser.add_argument("--steps", type=int, default=100, help="of this run")
    presets = ("auto", "fast", "balanced", "max", "paper")
    parser.add_argument("--preset", choices=presets, default="auto")
    parser.add_argument("--bits", type=int, help="quantize: lossy, with error feedback")
    parser.add_argument("--checkpoint", type=Path, help="folder to go on from and to save to")
    return parser.parse_args()


def main() -> None:
    options = parsed()
    device = torch.device("cpu")
    if torch.cuda.device_count() >= int(os.environ["LOCAL_WORLD_SIZE"]):
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    rank = dist.get_rank()
    torch.manual_seed(0)

    model = DistributedDataParallel(network().to(device))
    stages = [lmgc_torch.stages.Quantize(options.bits, scale="row")] if options.bits else []
    handle = lmgc_torch.register(model, preset=options.preset, stages=stages)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    checkpoint, done = None, 0
    if options.checkpoint:
        parts = {"model": model.module, "optimizer": optimizer}
        told = {"preset": options.preset, "bits": options.bits}
        checkpoint = Checkpoint(options.checkpoint, parts, handle, told)
        done = checkpoint.load()

    images, labels = (torch.from_numpy(array) for array in load_digits(return_X_y=True))
    images, labels = images.float().view(-1, 1, 8, 8).to(device) / 16, labels.to(device)
    for step in range(done, done + options.steps):
        drawing = torch.Generator().manual_seed(step * dist.get_world_size() + rank)
        batch = torch.randint(0, len(images), (BATCH,), generator=drawing).to(device)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images[batch]), labels[batch])
        loss.backward()  # type: ignore[no-untyped-call]  # here gradients travel
        optimizer.step()
        if rank == 0 and (step + 1) % REPORT == 0:
            total = handle.stats(reset=True).total
            print(
                f"step {step + 1}: loss {loss.item():.4f}, sent {total.sent_bytes:,} bytes", end=""
            )
            print(f" of {total.raw_bytes:,} a rank")
    if checkpoint:
        checkpoint.save(done + options.steps)
    if rank == 0 and options.preset == "auto" and not options.bits:
        print(handle.explain())
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
