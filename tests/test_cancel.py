"""A call that Ctrl-C ends leaves nothing behind: no memory, no file, no trace in later calls."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch

from lmgc_torch import model as cache
from lmgc_torch.conversion import Architecture, Converted
from random_model import ODD, random_tensors

PROGRAM = Path(__file__).with_name("cancel_program.py")


@pytest.mark.parametrize("call", ["load", "encode", "decode"])
def test_memory_and_files_are_given_back(call: str, tmp_path: Path) -> None:
    """What an encode needs alone would be 40 MB each time."""
    done = subprocess.run(
        [sys.executable, PROGRAM, call],
        env=os.environ | {"LMGC_CACHE": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    print(call, report)
    assert report["ended"] >= 3
    assert report["growth_bytes"] < 64 * 2**20


def test_a_cache_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    converted = Converted(Architecture(**ODD), random_tensors(ODD), bytes(32))

    def half(tensors: dict[str, torch.Tensor], name: str, metadata: dict[str, str]) -> None:
        Path(name).write_bytes(safetensors.torch.save(tensors, metadata)[:1000])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("safetensors.torch.save_file", half)
        with pytest.raises(KeyboardInterrupt):
            cache._write_cache(tmp_path / "model.safetensors", converted)
    assert list(tmp_path.iterdir()) == []
    cache._write_cache(tmp_path / "model.safetensors", converted)
    assert cache._read_cache(tmp_path / "model.safetensors").fingerprint == converted.fingerprint
