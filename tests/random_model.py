"""Small random models, straight from tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from lmgc_torch import _C
from lmgc_torch.rotary import rotary_tables

#: Odd on purpose: no size is a multiple of a panel, and three heads share a key-value head.
ODD = {
    "layers": 2,
    "width": 38,
    "feed_forward": 51,
    "heads": 6,
    "kv_heads": 2,
    "head_width": 10,
    "vocabulary": 300,
    "context": 700,
    "norm_epsilon": 1e-5,
}
#: What other families have and Llama lacks, at the same sizes.
LIKE_GPT2 = ODD | {"layer_norm": True, "gelu": True, "learned_positions": True}
LIKE_QWEN3 = ODD | {"query_key_norm": True}


def random_tensors(
    a: dict[str, Any], *, seed: int = 7, sharpness: float = 1.0, biases: bool = False
) -> dict[str, torch.Tensor]:
    """Tensors by the names of lmgc_torch/conversion.py; scores spread with `sharpness`."""
    rng = np.random.default_rng(seed)
    heads, width = a["head_width"], a["width"]

    def matrix(name: str, rows: int, depth: int) -> dict[str, torch.Tensor]:
        codes = torch.from_numpy(rng.integers(-127, 128, (rows, depth), dtype=np.int8))
        scales = torch.from_numpy(rng.uniform(0.5, 2, rows).astype(np.float32)) / (64 * depth**0.5)
        return {f"{name}.codes": codes, f"{name}.scales": scales}

    def gain(size: int = width) -> torch.Tensor:
        return torch.from_numpy(rng.uniform(0.5, 2, size).astype(np.float32))

    def signed(*shape: int) -> torch.Tensor:
        return torch.from_numpy(rng.uniform(-0.5, 0.5, shape).astype(np.float32))

    tensors = {
        "norm": gain() * sharpness,
        "begin_token": torch.zeros(1, dtype=torch.int32),
        "byte_tokens": torch.arange(256, dtype=torch.int32),
        **matrix("embedding", a["vocabulary"], width),
    }
    if a.get("learned_positions"):
        tensors["positions"] = signed(a["context"], width)
    else:
        tensors["rope.cosines"], tensors["rope.sines"] = rotary_tables(10000.0, heads, a["context"])
    inner = a["feed_forward"] * (1 if a.get("gelu") else 2)
    for index in range(a["layers"]):
        layer = f"layers.{index}."
        query_key_value = (a["heads"] + 2 * a["kv_heads"]) * heads
        tensors |= {
            f"{layer}attention_norm": gain(),
            f"{layer}feed_forward_norm": gain(),
            **matrix(f"{layer}query_key_value", query_key_value, width),
            **matrix(f"{layer}output", width, a["heads"] * heads),
            **matrix(f"{layer}gate_up", inner, width),
            **matrix(f"{layer}down", width, a["feed_forward"]),
        }
        if a.get("query_key_norm"):
            tensors |= {f"{layer}query_norm": gain(heads), f"{layer}key_norm": gain(heads)}
    if biases:
        matrices = [name for name in tensors if name.startswith("layers.") and "scales" in name]
        for name in matrices:
            tensors[name.replace("scales", "bias")] = signed(len(tensors[name]))
    if a.get("layer_norm"):
        norms = ["norm", *(name for name in tensors if name.endswith(("tion_norm", "ward_norm")))]
        tensors |= {f"{name}.bias": signed(width) for name in norms}
    return tensors


def random_language_model(*, seed: int = 7, sharpness: float = 1.0) -> _C.LanguageModel:
    """The fingerprint is made of the seed."""
    tensors = random_tensors(ODD, seed=seed, sharpness=sharpness)
    return _C.LanguageModel(ODD, tensors, bytes([seed]) * 32)
