"""What a language model takes is told before it is read, and what does not fit is refused."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from lmgc_torch import memory, model_memory
from lmgc_torch import model as models
from lmgc_torch.conversion import convert, read_model
from lmgc_torch.model import load_language_model
from lmgc_torch.model_memory import memory_of_converted, memory_of_stored
from random_families import FAMILIES, Family, random_family, write_folder
from random_gguf import random_weights, write_gguf

CPU = torch.device("cpu")


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_sizes_are_those_of_the_converted_tensors(tmp_path: Path, family: Family) -> None:
    write_folder(tmp_path, family, random_family(family))
    converted = convert(tmp_path)

    def nbytes(dtype: torch.dtype) -> int:
        return sum(tensor.nbytes for tensor in converted.tensors.values() if tensor.dtype == dtype)

    before = memory_of_stored(read_model(tmp_path), CPU)
    cached = memory_of_converted(converted.architecture, converted.tensors.keys())
    for stated in (before, cached):
        assert (stated.weights, stated.floats) == (nbytes(torch.int8), nbytes(torch.float32))
    assert before.conversion > cached.conversion == 0


PEAKS = """
import gc, os, sys
from pathlib import Path
import torch
from lmgc_torch.model import load_language_model, model_memory

def status(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(name + ":")).split()[1])

stated = model_memory()  # and loads what reading a file takes along
gc.collect()
Path("/proc/self/clear_refs").write_text("5")  # VmHWM starts anew
before = status("RssAnon")
mapped = status("RssFile")
model = load_language_model()
print(stated.model, stated.conversion, stated.window, stated.lanes)
print(status("VmHWM") - status("RssFile") - before, status("RssAnon") - before)
before = status("RssAnon")
cache = model.cache(4, 2048)
print((status("RssAnon") - before) // 4)
"""


def peaks(cache: Path) -> list[int]:
    """Stated model, conversion, window, lanes; measured peak, kept, window: bytes."""
    done = subprocess.run(
        [sys.executable, "-c", PEAKS],
        env={"LMGC_CACHE": str(cache), "PATH": "", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return [int(word) for word in done.stdout.split()]


def test_a_load_takes_what_it_says(tmp_path: Path) -> None:
    """SmolLM2, converted and then from the cache. What is mapped from files is not counted."""
    model, conversion, window, lanes, peak, kept, measured_window = peaks(tmp_path)
    print(f"stated {model} + {conversion}, {window}; measured {peak}, {kept}, {measured_window}")
    assert lanes == 32
    assert 0.6 * (model + conversion) < peak < 1.05 * (model + conversion)
    assert 0.9 * window < measured_window < 1.1 * window
    again, nothing, _, _, peak, kept, _ = peaks(tmp_path)
    print(f"stated {again}; measured {peak}, {kept}")
    assert (again, nothing) == (model, 0)
    assert kept < 1.05 * model and peak < 1.05 * model


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LMGC_CACHE", str(tmp_path / "cache"))
    return write_gguf(tmp_path / "model.gguf", random_weights(1))


def test_what_does_not_fit_is_refused_before_it_is_read(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_memory, "host_bytes", lambda: 1000)
    monkeypatch.setattr(models, "convert", lambda _: pytest.fail("it was read"))
    with pytest.raises(MemoryError, match=r"model.gguf needs [\d.]+ MiB .* has 0.0 MiB available"):
        load_language_model(file)
    assert not (file.parent / "cache").exists()


def test_so_is_a_cached_model(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need = models.model_memory(file)
    models._converted(file, models._source_key(file))
    cached = models.model_memory(file)
    assert cached.conversion == 0 and cached.model == need.model
    monkeypatch.setattr(models, "_read_cache", lambda _: pytest.fail("it was read"))
    monkeypatch.setattr(model_memory, "host_bytes", lambda: cached.model + cached.window - 1)
    with pytest.raises(MemoryError, match="choose a smaller model"):
        load_language_model(file)


def test_a_gpu_is_asked_too(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = torch.device("cuda", 0)
    need = memory_of_stored(read_model(file), place)
    assert need.conversion > need.model  # the host holds all of it until it is on the device
    monkeypatch.setattr(model_memory, "device_bytes", lambda _: need.model + need.window - 1)
    with pytest.raises(MemoryError, match="cuda:0 has"):
        model_memory.require_room(file, need, place)
    monkeypatch.setattr(model_memory, "device_bytes", lambda _: need.model + need.window)
    monkeypatch.setattr(model_memory, "host_bytes", lambda: need.conversion)
    model_memory.require_room(file, need, place)


def test_large_models_are_logged(
    file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="lmgc_torch")
    need = models.model_memory(file)
    model_memory.require_room(file, need, CPU)
    assert caplog.text == ""
    monkeypatch.setattr(model_memory, "LARGE", need.model)
    model_memory.require_room(file, need, CPU)
    assert f"{file} on cpu: " in caplog.text and "of int8 weights" in caplog.text


def machine(root: Path, groups: str, files: dict[str, str]) -> Path:
    told = {
        "proc/meminfo": "MemTotal: 9000 kB\nMemAvailable: 5000 kB\n",
        "proc/self/cgroup": groups,
    }
    for name, text in (told | files).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


V2 = {
    "memory.max": "max\n",
    "job/memory.max": "3000000\n",
    "job/memory.current": "1000000\n",
    "job/memory.stat": "anon 5\ninactive_file 500\n",
}
V1 = {
    "memory.limit_in_bytes": "2000000\n",
    "memory.usage_in_bytes": "1900000\n",
    "memory.stat": "total_inactive_file 77\n",
}


@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        ("", {}, 5000 * 1024),
        ("0::/\n", {}, 5000 * 1024),
        ("0::/job/step\n", V2, 2_000_500),  # a limit of the parent
        ("0::/job\n", V2 | {"job/memory.max": "max\n"}, 5000 * 1024),
        ("4:cpu,memory:/docker/12\n0::/\n", {f"memory/{n}": t for n, t in V1.items()}, 100_077),
        ("3:cpuset:/docker/12\n", {f"memory/{n}": t for n, t in V1.items()}, 5000 * 1024),
    ],
)
def test_limits_of_control_groups_count(
    tmp_path: Path, groups: str, files: dict[str, str], expected: int
) -> None:
    mounted = {f"sys/fs/cgroup/{name}": text for name, text in files.items()}
    assert memory.host_bytes(machine(tmp_path, groups, mounted)) == expected


def test_a_machine_that_does_not_tell_refuses_nothing(tmp_path: Path) -> None:
    assert memory.host_bytes(tmp_path) is None
