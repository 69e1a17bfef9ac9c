"""The examples, run as a user would. (`make demo` runs the demo.)"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import torch

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def run(*arguments: object) -> str:
    command = [sys.executable, *map(str, arguments)]
    alone = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    ended = subprocess.run(
        command, capture_output=True, text=True, timeout=300, check=False, env=alone
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def train(steps: int, checkpoint: Path, ranks: int = 2) -> str:
    launch = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", ranks)
    options = ("--steps", steps, "--preset", "fast", "--bits", 4, "--checkpoint", checkpoint)
    return run(*launch, EXAMPLES / "train.py", *options)


def test_federated_averaging_ends_with_the_same_bits() -> None:
    text = run(EXAMPLES / "federated.py", "--rounds", 5, "--preset", "balanced")
    assert "equal bit for bit" in " ".join(text.split())


def test_training_goes_on_where_it_ended(tmp_path: Path) -> None:
    train(24, tmp_path / "whole")
    train(12, tmp_path / "parts")
    train(12, tmp_path / "parts")
    whole, parts = (
        torch.load(tmp_path / name / "state.pt", weights_only=True) for name in ("whole", "parts")
    )
    assert whole["step"] == parts["step"] == 24
    for name, value in whole["model"].items():
        assert torch.equal(value, parts["model"][name]), name
    assert len(list((tmp_path / "parts").iterdir())) == 3  # nothing of the first run is left
    train(2, tmp_path / "parts", ranks=3)
    assert torch.load(tmp_path / "parts" / "state.pt", weights_only=True)["step"] == 26
