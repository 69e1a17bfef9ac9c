"""Tensors of every supported dtype, made of any bits at all."""

import numpy as np
import torch
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

DTYPES = (
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.float64,
    torch.uint8,
    torch.int8,
    torch.int16,
    torch.int32,
    torch.int64,
    torch.uint16,
    torch.uint32,
    torch.uint64,
)
INTEGERS_OF = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def to_bits(tensor: torch.Tensor) -> torch.Tensor:
    """The same bytes as integers, so that NaNs compare."""
    return tensor.contiguous().view(INTEGERS_OF[tensor.dtype.itemsize])


def edge_words(bits: int) -> st.SearchStrategy[int]:
    """Any word, and often the interesting floats: zeros, denormals, infinities, NaN payloads."""
    top = 1 << (bits - 1)
    edges = [0, top, 1, top | 1, 2 * top - 1]
    if bits >= 16:
        for exponent_bits in (5, 8, 11):
            infinity = ((1 << exponent_bits) - 1) << max(bits - 1 - exponent_bits, 0)
            infinity &= top - 1
            edges += [infinity, top | infinity, infinity | 1, infinity - 1]
    return st.sampled_from(edges) | st.integers(0, 2 * top - 1)


@st.composite
def tensors(draw: st.DrawFn, dtypes: tuple[torch.dtype, ...] = DTYPES) -> torch.Tensor:
    """Tensors of 0 to 4 dimensions, some of them empty."""
    dtype = draw(st.sampled_from(dtypes))
    bits = 8 * dtype.itemsize
    shape = draw(st.just(()) | array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=9))
    words = draw(arrays(np.dtype(f"uint{bits}"), shape, elements=edge_words(bits)))
    return torch.from_numpy(words.view(f"int{bits}")).view(dtype)
