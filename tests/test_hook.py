"""The hook on real process groups: equal to plain DDP bit for bit, and errors instead of hangs."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

import lmgc_torch
from ddp_launch import launch
from ddp_training import CASES, STEPS
from lmgc_torch.conversion import convert
from random_gguf import random_weights, write_gguf

Reports = list[dict[str, Any]]


@pytest.fixture(scope="module")
def trained() -> Reports:
    return launch("training", 2)


@pytest.mark.parametrize("name", CASES)
def test_parameters_and_gradients_equal_plain_ddp(trained: Reports, name: str) -> None:
    assert all(report[name]["same"] for report in trained)


def test_stats_count_what_is_sent(trained: Reports) -> None:
    for report in trained:
        plain = report["plain"]
        assert plain["averaged"] == STEPS * plain["buckets"]
        assert plain["payload_bytes"] < plain["raw_bytes"]
        assert plain["sent_bytes"] == plain["payload_bytes"] + 40 * plain["averaged"]
        assert report["small_buckets"]["buckets"] > 3
        assert report["mixed"]["buckets"] >= 2
        units = report["units"]
        assert units["averaged"] == 1 + (STEPS - 1) * units["buckets"]  # DDP begins with one
        assert units["sent_bytes"] > units["payload_bytes"] + 40 * units["averaged"]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU: CUDA buckets are not tried here")
def test_buckets_on_a_gpu_equal_plain_ddp() -> None:
    for report in launch("on_gpu", 2):
        assert all(report.values()), report


@pytest.fixture(scope="module")
def grouped() -> Reports:
    return launch("groups", 4)


def test_two_groups_at_once_equal_plain_ddp(grouped: Reports) -> None:
    assert all(report["halves"] for report in grouped)


def test_three_ranks_sum_in_rank_order_and_end_with_the_same_bits(grouped: Reports) -> None:
    assert all(report["rank_order"] and report["identical"] for report in grouped[:3])
    assert all(report["identical_with_history"] for report in grouped[:3])
    assert all(report["identical_by_units"] for report in grouped[:3])


def test_averages_agree_when_one_rank_flushes_denormals(grouped: Reports) -> None:
    assert all(report["denormals"] for report in grouped)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("preset", ["ranks 1, 3: unknown preset 'nonsense'"]),
        ("option", ["RuntimeError", "bytes_per_group (ranks 0, 2: 4; ranks 1, 3: 2)"]),
        ("version", ["RuntimeError", "lmgc_torch version (ranks 0, 2: 0.1.0; ranks 1, 3: 9.9)"]),
        ("builtin", ["RuntimeError", "ranks 1, 3: DDP has a communication hook already"]),
        (
            "parameters",
            ["parameter bias (ranks 0, 2: torch.float32 [3]; ranks 1, 3: torch.float64 [3])"],
        ),
        ("none", ["no error"]),
    ],
)
def test_ranks_that_differ_raise_on_every_rank(
    grouped: Reports, name: str, expected: list[str]
) -> None:
    for report in grouped:
        assert all(text in report["errors"][name] for text in expected), report["errors"][name]


def test_language_model_hook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gradients that really travel as text equal plain DDP; other models are found and named."""
    files = [
        write_gguf(tmp_path / f"{seed}.gguf", random_weights(seed, favourite="0"))
        for seed in (0, 1)
    ]
    monkeypatch.setenv("MODELS", os.pathsep.join(map(str, (files[0], *files))))
    monkeypatch.setenv("LMGC_CACHE", str(tmp_path / "cache"))
    fingerprints = [convert(file).fingerprint.hex() for file in files]
    for report in launch("language_model", 2):
        assert report["same"] and report["staged"] and all(report["priors"])
        unstaged, _, staged, *by_prior = report["rates"]
        assert staged < unstaged < 0.9 and max(by_prior) < unstaged
        told = "; ".join(f"rank {rank}: {print_}" for rank, print_ in enumerate(fingerprints))
        assert f"model fingerprint ({told})" in report["differ"]
        assert "rank 1: no language model at /none; install" in report["missing"]


@pytest.fixture(scope="module")
def faulty() -> Reports:
    return launch("faults", 2)


@pytest.mark.parametrize(
    ("name", "ranks", "expected"),
    [
        ("sparse", [0, 1], ["bucket 0", "rank 1 failed", "sparse=False"]),
        ("sparse_again", [0, 1], ["rank 1 failed", "sparse=False"]),
        ("layout", [0, 1], ["ranks are at different buckets", "rank 0 has", "rank 1 has"]),
        ("huge", [0], ["rank 1 announces", "at most"]),
        ("negative", [0], ["rank 1 announces a payload of -1"]),
        ("damaged", [0], ["cannot decode the payload of rank 1"]),
        ("truncated", [0], ["cannot decode the payload of rank 1"]),
        ("replayed", [0], ["cannot decode the payload of rank 1", "(corrupt)"]),
        ("silent", [0], ["lost rank 1 or ran out of time", "Timed out waiting 2000ms"]),
        ("destroyed", [0, 1], ["rank 1 failed", "process group was destroyed"]),
    ],
)
def test_faults_raise_with_rank_and_reason(
    faulty: Reports, name: str, ranks: list[int], expected: list[str]
) -> None:
    for rank in ranks:
        message = faulty[rank][name]
        assert f"lmgc_torch hook on rank {rank}" in message
        assert all(text in message for text in expected), message


def test_a_payload_is_good_for_one_bucket(faulty: Reports) -> None:
    assert faulty[0]["played"] == "no error"  # and replayed in the next step it is refused


def test_training_goes_on_with_a_fresh_module_after_faults(faulty: Reports) -> None:
    assert all(report["after"] for report in faulty)


def test_a_killed_peer_raises_on_the_others() -> None:
    survivor = launch("killed", 2, limit_seconds=60)[0]
    assert "lost rank 1" in survivor["error"]
    assert "peer" in survivor["later"]  # from DDP itself
    assert survivor["seconds"] < 14


def test_the_process_ends_while_a_bucket_is_under_way() -> None:
    launch("unfinished", 2, limit_seconds=60)


@pytest.fixture
def lone_group(tmp_path: Path) -> Iterator[None]:
    store = dist.FileStore(str(tmp_path / "store"), 1)
    dist.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield
    if dist.is_initialized():
        dist.destroy_process_group()


@pytest.mark.usefixtures("lone_group")
def test_one_rank_warns_and_passes_gradients_on() -> None:
    ddp = DistributedDataParallel(nn.Linear(4, 2))
    with pytest.warns(UserWarning, match="one rank"):
        handle = lmgc_torch.register(ddp, "fast")
    ddp(torch.ones(3, 4)).sum().backward()
    assert torch.equal(ddp.module.weight.grad, torch.full((2, 4), 3.0))
    assert handle.stats().total.buckets == 0


@pytest.mark.usefixtures("lone_group")
@pytest.mark.filterwarnings("ignore:lmgc_torch.register")
def test_only_one_hook_fits_a_module() -> None:
    ddp = DistributedDataParallel(nn.Linear(4, 2))
    lmgc_torch.register(ddp, "fast")
    with pytest.raises(RuntimeError, match=r"hook already \(lmgc_torch\[fast\]\)"):
        lmgc_torch.register(ddp, "fast")
    ddp = DistributedDataParallel(nn.Linear(4, 2))
    ddp.register_comm_hook(None, lambda state, bucket: torch.futures.Future())
    with pytest.raises(RuntimeError, match="hook already .* fresh DistributedDataParallel"):
        lmgc_torch.register(ddp, "fast")


@pytest.mark.usefixtures("lone_group")
@pytest.mark.filterwarnings("ignore:lmgc_torch.register")
def test_unsupported_dtypes_name_the_parameter() -> None:
    ddp = DistributedDataParallel(nn.Linear(4, 2, dtype=torch.complex64))
    with pytest.raises(TypeError, match="parameter weight has dtype torch.complex64"):
        lmgc_torch.register(ddp, "fast")


@pytest.mark.usefixtures("lone_group")
def test_modules_and_groups_that_cannot_be_hooked() -> None:
    with pytest.raises(TypeError, match=r"got Linear; wrap the model first"):
        lmgc_torch.register(nn.Linear(4, 2))  # type: ignore[arg-type]
    ddp = DistributedDataParallel(nn.Linear(4, 2))
    dist.destroy_process_group()
    with pytest.raises(RuntimeError, match="process group was destroyed"):
        lmgc_torch.register(ddp, "fast")


def test_python_form_has_the_same_bits_and_fits_wrappers() -> None:
    for report in launch("python_hook", 2):
        assert report["same"]
        cpp, python = report["payload_bytes"]
        assert python == cpp
        for name in {"fp16", "bf16"} & set(report):
            assert report[name]["same"], name
            assert report[name]["raw"] == report["raw"] // 2  # the cast bucket travels
