"""Whether a language model gives the same bits however it is asked."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from lmgc_torch import _C


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    threads, path = torch.get_num_threads(), _C.gemm_path()
    yield
    torch.set_num_threads(threads)
    _C.set_gemm_path(path)


def scores(
    model: _C.LanguageModel, tokens: torch.Tensor, readout: _C.Readout, sizes: list[int]
) -> torch.Tensor:
    """Scores after every token, the tokens given in parts of these sizes."""
    cache = model.cache(tokens.shape[0], tokens.shape[1])
    parts = [model.extend(cache, part.contiguous(), readout) for part in tokens.split(sizes, dim=1)]
    assert cache.length == tokens.shape[1]
    return torch.cat(parts, dim=1)


def all_equal(
    model: _C.LanguageModel, tokens: torch.Tensor, sizes: list[list[int]]
) -> torch.Tensor:
    """Checks every way of asking against one window at a time on one thread."""
    readout = model.readout(torch.arange(17, dtype=torch.int32))
    steps = tokens.shape[1]
    torch.set_num_threads(1)
    expected = torch.cat([scores(model, lane[None], readout, [steps]) for lane in tokens])
    for path in _C.gemm_paths():
        _C.set_gemm_path(path)
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            for split in sizes if threads < 3 else sizes[:1]:  # 3: an uneven share, once
                actual = scores(model, tokens, readout, split)
                assert torch.equal(actual, expected), (path, threads, split)
    return expected
