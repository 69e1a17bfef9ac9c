"""The language model on a GPU gives the CPU's bits, and payloads cross."""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from typing import Any

import pytest
import torch

import lmgc_torch
from cuda_cases import (
    DEEP,
    FAMILIES,
    PLAIN,
    WIDE,
    Shape,
    lockstep_scores,
    random_tokens,
    scores,
)
from lmgc_torch import _C
from random_gguf import random_weights, write_gguf
from random_model import ODD, random_tensors

pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="no GPU: the CUDA model is not run here"
)


def models(a: Shape, **options: Any) -> tuple[Any, Any]:
    tensors = random_tensors(a, **options)
    return (
        _C.LanguageModel(a, tensors, bytes(32)),
        _C.CudaLanguageModel(a, tensors, bytes(32), torch.device("cuda", 0)),
    )


@pytest.mark.parametrize(
    "architecture", [ODD, WIDE, PLAIN, DEEP], ids=["odd", "wide", "plain", "deep"]
)
@pytest.mark.parametrize("sharpness", [1.0, 30.0])
def test_scores_are_the_same_bits(architecture: Shape, sharpness: float) -> None:
    host, device = models(architecture, sharpness=sharpness)
    for lanes, sizes in [
        (5, [70]),
        (5, [1] * 70),
        (200, [1, 2, 3, 17]),
        (2, [511, 2, 137]),
        (90, [300]),
    ]:
        tokens = random_tokens(architecture, lanes, sum(sizes))
        expected = scores(host, tokens, [sum(sizes)])
        assert expected.unique().numel() > 1000
        assert torch.equal(scores(device, tokens, sizes), expected), (lanes, sizes)


@pytest.mark.parametrize(("architecture", "biases"), FAMILIES.values(), ids=FAMILIES)
def test_other_families_give_the_same_bits(architecture: Shape, biases: bool) -> None:
    host, device = models(architecture, biases=biases)
    for lanes, sizes in [(5, [70]), (3, [1] * 40), (200, [1, 2, 3, 17]), (2, [511, 2, 137])]:
        tokens = random_tokens(architecture, lanes, sum(sizes))
        expected = scores(host, tokens, [sum(sizes)])
        assert expected.unique().numel() > 1000
        assert torch.equal(scores(device, tokens, sizes), expected), (lanes, sizes)


@pytest.mark.parametrize(
    ("architecture", "biases"), [*FAMILIES.values(), (PLAIN, False), (WIDE, False)]
)
def test_steps_that_are_recorded_once_give_the_same_bits(architecture: Shape, biases: bool) -> None:
    host, device = models(architecture, biases=biases)
    for lanes, first, steps in [(5, 1, 140), (300, 60, 70)]:
        tokens = random_tokens(architecture, lanes, steps)
        expected = scores(host, tokens, [steps])
        assert torch.equal(lockstep_scores(device, tokens, first), expected)


def test_wanted_steps_alone_are_read() -> None:
    host, device = models(PLAIN)
    tokens = torch.arange(60, dtype=torch.int32).reshape(3, 20)
    wanted = [step % 3 == 1 for step in range(20)]
    results = []
    for model in (host, device):
        readout = model.readout(torch.arange(200, dtype=torch.int32))
        results.append(model.extend(model.cache(3, 20), tokens, readout, wanted).cpu())
    assert torch.equal(*results)


@pytest.mark.parametrize(
    ("serialization", "prior"),
    [
        *((name, "model") for name in lmgc_torch.SERIALIZATIONS),
        ("hex", "mixture"),
        ("iso8859", "mixture"),
    ],
)
def test_payloads_cross(
    serialization: str, prior: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LMGC_CACHE", str(tmp_path))
    file = tmp_path / "model.gguf"
    write_gguf(file, random_weights(5))
    codecs = [
        lmgc_torch.Codec(
            "paper",
            model=str(file),
            device=device,
            serialization=serialization,
            window=130,
            prior=prior,
        )
        for device in ("cpu", "cuda")
    ]
    gradient = torch.randn(1500, generator=torch.Generator().manual_seed(1)) * 1e-3
    payloads = [codec.encode(gradient, raw_fallback=False) for codec in codecs]
    assert torch.equal(*payloads)
    for codec in codecs:
        assert torch.equal(codec.decode(payloads[0]), gradient)


def test_little_memory_means_smaller_batches() -> None:
    """What does not fit goes in parts, with the same bits."""
    a = PLAIN | {"layers": 2, "context": 8192}
    model = _C.CudaLanguageModel(a, random_tensors(a), bytes(32), torch.device("cuda", 0))
    gradient = torch.randn(40000, generator=torch.Generator().manual_seed(2))
    codec = _C.Codec.paper(model, 0, 4, 0, 512)
    expected = codec.encode(gradient)
    torch.cuda.empty_cache()
    _, everything = torch.cuda.mem_get_info()
    room = torch.cuda.memory_reserved() + (16 << 20)
    refusals = torch.cuda.memory_stats()["num_ooms"]
    torch.cuda.set_per_process_memory_fraction(room / everything)
    try:
        assert torch.equal(codec.encode(gradient), expected)
        encoding = torch.cuda.memory_stats()["num_ooms"]
        assert torch.equal(codec.decode(expected), gradient)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert refusals < encoding < torch.cuda.memory_stats()["num_ooms"]


def test_a_forked_child_is_refused_by_name() -> None:
    _, device = models(ODD)
    receiver, sender = multiprocessing.Pipe(duplex=False)

    def child() -> None:
        for call in (lambda: device.cache(1, 10), lambda: device.lanes(10)):
            try:
                call()
            except RuntimeError as error:
                sender.send(str(error))

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join(60)
    assert process.exitcode == 0
    for _ in range(2):
        assert "forked from the one that loaded the model" in receiver.recv()
