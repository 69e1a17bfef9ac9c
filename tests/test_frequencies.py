"""Scores to frequencies: the formula of docs/format.md in Python's integers, and the built one."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import lmgc_torch  # noqa: F401  registers the operator

TOTAL = 1 << 24
ONE = 1 << 30
SCORES = st.lists(
    st.integers(-(2**31), 2**31 - 1) | st.integers(-200_000, 200_000), min_size=1, max_size=256
)


def exp_q30(distance: int) -> int:
    """e^(-distance / 2^16) as csrc/exact.h defines it."""
    if distance >= 22 << 16:
        return 0
    octaves = (distance * 1549082005) >> 16
    x = ((octaves % ONE) * 744261118 + ONE // 2) >> 30
    total = ONE
    for order in range(9, 0, -1):
        total = ONE - ((x * total + ONE // 2) >> 30) // order
    return total >> (octaves >> 30)


def frequencies(scores: list[int]) -> list[int]:
    weights = [exp_q30(max(scores) - score) for score in scores]
    shares = [1 + weight * (TOTAL - len(scores)) // sum(weights) for weight in weights]
    shares[weights.index(max(weights))] += TOTAL - sum(shares)
    return shares


@given(scores=SCORES)
def test_frequencies_are_those_of_the_format(scores: list[int]) -> None:
    table = torch.ops.lmgc.frequencies(torch.tensor([scores], dtype=torch.int32))[0].tolist()
    assert table[0] == 0
    assert np.diff(table).tolist() == frequencies(scores)


def test_rows_do_not_depend_on_each_other() -> None:
    scores = torch.randint(-(10**6), 10**6, (37, 16), dtype=torch.int32)
    alone = torch.cat([torch.ops.lmgc.frequencies(row[None]) for row in scores])
    assert torch.equal(torch.ops.lmgc.frequencies(scores), alone)


def test_loss_against_the_float_code_length_is_below_a_thousandth() -> None:
    """Symbols drawn from the softmax itself, from nearly uniform to nearly certain."""
    generator = torch.Generator().manual_seed(0)
    for spread in (0.1, 1.0, 4.0, 12.0):
        logits = torch.randn(20_000, 16, generator=generator, dtype=torch.float64) * spread
        softmax = logits.softmax(1)
        scores = (logits * 65536).round().to(torch.int32)
        shares = torch.ops.lmgc.frequencies(scores).diff().double() / TOTAL
        entropy = -(softmax * softmax.clamp_min(1e-300).log2()).sum(1).mean()
        cross_entropy = -(softmax * shares.log2()).sum(1).mean()
        assert 0 <= cross_entropy - entropy < 1e-3 * entropy


def test_wrong_scores_are_refused() -> None:
    with pytest.raises(ValueError, match="scores are int32"):
        torch.ops.lmgc.frequencies(torch.zeros(3, 4))
    with pytest.raises(ValueError, match="an alphabet of 257"):
        torch.ops.lmgc.frequencies(torch.zeros(3, 257, dtype=torch.int32))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU: the CUDA kernel is not run here")
def test_cuda_gives_the_same_bits() -> None:
    scores = torch.randint(-(10**6), 10**6, (1000, 16), dtype=torch.int32)
    on_device = torch.ops.lmgc.frequencies(scores.cuda())
    assert torch.equal(on_device.cpu(), torch.ops.lmgc.frequencies(scores))
