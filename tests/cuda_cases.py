"""Models on which the CUDA kernels are compared with the CPU's, on a GPU and on the host."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from random_model import LIKE_GPT2, LIKE_QWEN3, ODD

Shape = dict[str, Any]

#: As many models have it.
PLAIN = ODD | {"width": 192, "feed_forward": 512, "heads": 3, "kv_heads": 1, "head_width": 64}
#: Products as deep as a Hopper's block has room for.
DEEP = PLAIN | {"layers": 1, "width": 704}
#: Several row and column tiles, heads of two chunks, more than 8 queries a step.
WIDE = ODD | {"width": 256, "feed_forward": 400, "heads": 24, "kv_heads": 2, "head_width": 100}
#: What other families add to Llama, alone and together, and whether there are biases.
FAMILIES: dict[str, tuple[Shape, bool]] = {
    "llama": (ODD, False),
    "gpt2": (LIKE_GPT2, True),
    "qwen2": (ODD, True),
    "qwen3": (LIKE_QWEN3, False),
    "layer norm alone": (ODD | {"layer_norm": True}, False),
    "gelu alone": (ODD | {"gelu": True}, False),
    "learned positions alone, heads of odd width": (
        ODD | {"learned_positions": True, "head_width": 71},
        False,
    ),
    "all": (LIKE_GPT2 | {"query_key_norm": True, "head_width": 7}, True),
    "normed heads of the largest width": (
        LIKE_QWEN3 | {"heads": 2, "kv_heads": 1, "head_width": 256},
        True,
    ),
}


def random_tokens(architecture: Shape, lanes: int, steps: int) -> torch.Tensor:
    rng = np.random.default_rng(lanes * 1000 + steps)
    return torch.from_numpy(
        rng.integers(0, architecture["vocabulary"], (lanes, steps), dtype=np.int32)
    )


def lockstep_scores(model: Any, tokens: torch.Tensor, first: int) -> torch.Tensor:
    """After every token: `first` at once, the others one by one as a CUDA graph takes them."""
    readout = model.readout(torch.arange(17, dtype=torch.int32))
    cache = model.cache(tokens.shape[0], tokens.shape[1])
    parts = [model.extend(cache, tokens[:, :first].contiguous(), readout).cpu()]
    lockstep = model.lockstep(cache, readout)
    with pytest.raises(ValueError, match="outside the vocabulary"):
        lockstep.step(torch.full((tokens.shape[0],), model.architecture["vocabulary"]))
    parts += [lockstep.step(step).cpu()[:, None].clone() for step in tokens[:, first:].unbind(1)]
    assert cache.length == tokens.shape[1]
    with pytest.raises(ValueError, match=f"has {tokens.shape[0]} of {tokens.shape[1]} tokens"):
        lockstep.step(tokens[:, 0])
    return torch.cat(parts, dim=1)


def scores(model: Any, tokens: torch.Tensor, sizes: list[int]) -> torch.Tensor:
    """After every token, the tokens given in parts of these sizes."""
    readout = model.readout(torch.arange(17, dtype=torch.int32))
    cache = model.cache(tokens.shape[0], tokens.shape[1])
    parts = [
        model.extend(cache, part.contiguous(), readout).cpu() for part in tokens.split(sizes, dim=1)
    ]
    assert cache.length == tokens.shape[1]
    return torch.cat(parts, dim=1)
