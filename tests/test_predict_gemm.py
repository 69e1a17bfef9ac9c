"""Exact products of int16 matrices: what prediction is made of."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from lmgc_torch import _C

PATHS = _C.predict_gemm_paths()
LIMIT = 32767


def operands(
    generator: np.random.Generator, extreme: bool, rows: int, columns: int, gap: int
) -> torch.Tensor:
    """Rows that lie `gap` elements apart."""
    if extreme:
        values = generator.choice([-LIMIT, LIMIT], (rows, columns + gap))
    else:
        values = generator.integers(-LIMIT, LIMIT + 1, (rows, columns + gap))
    return torch.from_numpy(values.astype(np.int16))[:, :columns]


def wrapped(sums: NDArray[np.int64]) -> NDArray[np.int32]:
    return sums.astype(np.uint64).astype(np.uint32).view(np.int32)


def check(
    generator: np.random.Generator, sizes: tuple[int, int, int], gap: int, extreme: bool
) -> None:
    m, n, inner = sizes
    a = operands(generator, extreme, m, inner, gap)
    b = operands(generator, extreme, inner, n, gap)
    before = generator.integers(-(2**31), 2**31, (m, n + gap))
    product = a.numpy().astype(np.int64) @ b.numpy().astype(np.int64)
    for path in PATHS:
        for accumulate in (False, True):
            expected = before.copy()
            expected[:, :n] = product + (before[:, :n] if accumulate else 0)
            c = torch.from_numpy(before.astype(np.int32))
            _C.predict_gemm(a, b, c[:, :n], path, accumulate)
            assert np.array_equal(c.numpy(), wrapped(expected)), path


@given(
    seed=st.integers(0, 2**32),
    sizes=st.tuples(st.integers(0, 70), st.integers(0, 150), st.integers(0, 70)),
    gap=st.integers(0, 5),
    extreme=st.booleans(),
)
def test_equals_the_product_modulo_2_to_32(
    seed: int, sizes: tuple[int, int, int], gap: int, extreme: bool
) -> None:
    check(np.random.default_rng(seed), sizes, gap, extreme)


@pytest.mark.parametrize(
    "sizes", [(3, 64, 1025), (200, 65, 17), (49, 129, 514), (25, 8, 512), (193, 1, 3), (1, 300, 9)]
)
def test_blocks_for_caches_meet(sizes: tuple[int, int, int]) -> None:
    check(np.random.default_rng(7), sizes, 2, extreme=True)


def test_what_does_not_fit_is_refused() -> None:
    a, b = torch.zeros(2, 3, dtype=torch.int16), torch.zeros(3, 4, dtype=torch.int16)
    c = torch.zeros(2, 4, dtype=torch.int32)
    with pytest.raises(ValueError, match="no product of"):
        _C.predict_gemm(a, a, c, "scalar")
    with pytest.raises(ValueError, match="c is .*expected a CPU matrix of Int"):
        _C.predict_gemm(a, b, a, "scalar")
    with pytest.raises(ValueError, match="no loops named 'cuda' here; usable: .*scalar"):
        _C.predict_gemm(a, b, c, "cuda")
