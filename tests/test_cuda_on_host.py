"""The CUDA kernels, run on the host thread by thread, give the CPU engine's bits.

tests/cuda_on_host compiles them as plain C++, with twins of what only a GPU has. A read or write
past the end of a tensor or of shared memory is a RuntimeError, as are one that is not aligned, and
threads that wait in vain.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import lmgc_torch
from cuda_cases import DEEP, FAMILIES, PLAIN, Shape, lockstep_scores, random_tokens, scores
from lmgc_torch import _C
from random_model import ODD, random_tensors

BUILD = Path(__file__).parents[1] / "build" / f"cmake-{sys.implementation.cache_tag}"
BUILT = sorted((BUILD / "tests" / "cuda_on_host").glob("_cuda_on_host*.so"))

pytestmark = pytest.mark.skipif(
    not BUILT, reason="the kernels are not built for the host; use `make test`"
)

#: Heads of two chunks, more than 8 queries a step.
WIDE = ODD | {"width": 100, "heads": 9, "kv_heads": 1, "head_width": 100}


@pytest.fixture(scope="module", params=["any GPU", "Hopper"])
def kernels(request: pytest.FixtureRequest) -> Iterator[Any]:
    spec = importlib.util.spec_from_file_location("_cuda_on_host", BUILT[0])
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.guard_tensors(True)
    module.be_hopper(request.param == "Hopper")
    yield module
    module.guard_tensors(False)


def models(kernels: Any, architecture: Shape, **options: Any) -> tuple[Any, Any]:
    tensors = random_tensors(architecture, **options)
    return (
        _C.LanguageModel(architecture, tensors, bytes(32)),
        kernels.CudaLanguageModel(architecture, tensors, bytes(32), torch.device("cpu")),
    )


@pytest.mark.parametrize(
    ("architecture", "biases"),
    [*FAMILIES.values(), (WIDE, False), (PLAIN, False)],
    ids=[*FAMILIES, "wide", "plain"],
)
def test_scores_are_the_same_bits(kernels: Any, architecture: Shape, biases: bool) -> None:
    """Windows, steps, and parts; few lanes and more than a tile of rows."""
    host, device = models(kernels, architecture, biases=biases)
    for lanes, sizes in [(2, [90]), (3, [1] * 5), (65, [2]), (1, [64, 1, 65])]:
        tokens = random_tokens(architecture, lanes, sum(sizes))
        expected = scores(host, tokens, [sum(sizes)])
        assert expected.unique().numel() > 100
        assert torch.equal(scores(device, tokens, sizes), expected), (lanes, sizes)


@pytest.mark.parametrize(
    ("architecture", "biases"),
    [*FAMILIES.values(), (PLAIN, False)],
    ids=[*FAMILIES, "plain"],
)
def test_steps_that_are_recorded_once_give_the_same_bits(
    kernels: Any, architecture: Shape, biases: bool
) -> None:
    """Also where keys begin a further tile."""
    host, device = models(kernels, architecture, biases=biases)
    tokens = random_tokens(architecture, 3, 67)
    expected = scores(host, tokens, [67])
    assert torch.equal(lockstep_scores(device, tokens, 62), expected)


@pytest.mark.parametrize(
    ("serialization", "mixture", "window", "count"),
    [
        *((name, False, 38, 41) for name in lmgc_torch.SERIALIZATIONS),
        ("hex", True, 70, 21),
        ("iso8859", True, 38, 21),
    ],
)
def test_bodies_are_those_of_the_cpu(
    kernels: Any, serialization: str, mixture: bool, window: int, count: int
) -> None:
    """Whole chunks, the last one shorter, in one batch and in several."""
    host, device = models(kernels, ODD)
    number = lmgc_torch.SERIALIZATIONS.index(serialization)
    gradient = torch.randn(count, generator=torch.Generator().manual_seed(3)) * 1e-3
    codec = _C.Codec.paper(host, number, 4, 1, window, mixture)
    payload = codec.encode(gradient, raw_fallback=False).numpy().tobytes()
    values = gradient.numpy().tobytes()
    for lanes in (100, 3):
        paper = kernels.Paper(device, number, window, mixture, lanes)
        body = paper.encode(values)
        assert payload.endswith(body)
        assert paper.decode(body, len(values)) == values


@pytest.mark.parametrize(
    ("depth", "rows"), [(700, 300), (960, 70), (1500, 70), (2200, 70), (2300, 70)]
)
def test_deep_products(kernels: Any, depth: int, rows: int) -> None:
    """What a block of a Hopper has room for beside columns so deep: a tile of rows for each team,
    which takes several; two in parts; none.
    """
    host, device = models(kernels, DEEP | {"feed_forward": depth})
    tokens = random_tokens(DEEP, 1, rows)
    assert torch.equal(scores(device, tokens, [rows]), scores(host, tokens, [rows]))


def test_quotients_of_the_logistic_function(kernels: Any) -> None:
    assert kernels.wrong_quotients(101) == 0


def test_scores_far_apart(kernels: Any) -> None:
    host, device = models(kernels, ODD, sharpness=30.0)
    tokens = random_tokens(ODD, 2, 40)
    assert torch.equal(scores(device, tokens, [40]), scores(host, tokens, [40]))


def test_wanted_steps_alone_are_read(kernels: Any) -> None:
    results = []
    wanted = [step % 3 == 1 for step in range(20)]
    for model in models(kernels, ODD):
        readout = model.readout(torch.tensor([5, 1, 299, 5] * 30, dtype=torch.int32))
        tokens = random_tokens(ODD, 3, 20)
        results.append(model.extend(model.cache(3, 20), tokens, readout, wanted))
    assert torch.equal(*results)
