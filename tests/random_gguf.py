"""Small random Llama models as GGUF files, and their forward pass in plain float64."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lmgc_torch.models.byte_tokens import byte_characters

LAYERS, WIDTH, HEADS, KV_HEADS, FEED_FORWARD, CONTEXT = 2, 64, 4, 2, 256, 512
HEAD_WIDTH = WIDTH // HEADS
ROPE_BASE, EPSILON = 10000.0, 1e-5
SPECIAL = ["<begin>", "<end>"]

Weights = dict[str, NDArray[np.float32]]


def random_weights(seed: int, favourite: str = "") -> Weights:
    """A model that knows nothing, except that `favourite`, a character, is likely."""
    rng = np.random.default_rng(seed)
    vocabulary = len(SPECIAL) + 256

    def matrix(rows: int, depth: int) -> NDArray[np.float32]:
        return (rng.standard_normal((rows, depth)) / depth**0.5).astype(np.float32)

    def gain() -> NDArray[np.float32]:
        return rng.uniform(0.5, 2, WIDTH).astype(np.float32)

    weights = {
        "token_embd.weight": matrix(vocabulary, WIDTH) * 8,
        "output.weight": matrix(vocabulary, WIDTH),
        "output_norm.weight": gain(),
    }
    for index in range(LAYERS):
        layer = f"blk.{index}."
        weights |= {
            f"{layer}attn_norm.weight": gain(),
            f"{layer}ffn_norm.weight": gain(),
            f"{layer}attn_q.weight": matrix(WIDTH, WIDTH),
            f"{layer}attn_k.weight": matrix(KV_HEADS * HEAD_WIDTH, WIDTH),
            f"{layer}attn_v.weight": matrix(KV_HEADS * HEAD_WIDTH, WIDTH),
            f"{layer}attn_output.weight": matrix(WIDTH, WIDTH),
            f"{layer}ffn_gate.weight": matrix(FEED_FORWARD, WIDTH),
            f"{layer}ffn_up.weight": matrix(FEED_FORWARD, WIDTH),
            f"{layer}ffn_down.weight": matrix(WIDTH, FEED_FORWARD),
        }
    if favourite:
        everywhere = np.ones(WIDTH, np.float32)
        weights["token_embd.weight"] += 20 * everywhere
        weights["output_norm.weight"] = everywhere
        token = len(SPECIAL) + ord(favourite)
        weights["output.weight"][token] = everywhere / 10
    return weights


def write_gguf(
    path: Path,
    weights: Weights,
    kind: gguf.GGMLQuantizationType = gguf.GGMLQuantizationType.F32,
    architecture: str = "llama",
    fields: dict[str, str | int] | None = None,
    blocks: dict[str, tuple[NDArray[np.uint8], gguf.GGMLQuantizationType]] | None = None,
) -> Path:
    """Matrices as `kind`, vectors as float32; byte-level vocabulary. Further `fields`, and
    tensors whose `blocks` are given, in their type."""
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(EPSILON)
    writer.add_rope_freq_base(ROPE_BASE)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list([*SPECIAL, *byte_characters()])
    types = [gguf.TokenType.CONTROL] * len(SPECIAL) + [gguf.TokenType.NORMAL] * 256
    writer.add_token_types(types)
    writer.add_bos_token_id(0)
    for key, value in (fields or {}).items():
        (writer.add_string if isinstance(value, str) else writer.add_uint32)(key, value)
    for name, values in weights.items():
        if blocks and name in blocks:
            data, own_kind = blocks[name]
            writer.add_tensor(name, data, raw_dtype=own_kind)
        elif values.ndim == 1:
            writer.add_tensor(name, values)
        else:
            writer.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def stored(weights: Weights, kind: gguf.GGMLQuantizationType) -> dict[str, Tensor]:
    """What a file of `kind` holds, in float64."""
    return {
        name: torch.from_numpy(
            values
            if values.ndim == 1
            else gguf.quants.dequantize(gguf.quants.quantize(values, kind), kind)
        ).double()
        for name, values in weights.items()
    }


def float_scores(weights: dict[str, Tensor], tokens: Tensor) -> Tensor:
    """Logits [steps, vocabulary] of `tokens` [steps]: Llama as its paper has it, in float64."""
    steps = len(tokens)
    x = weights["token_embd.weight"][tokens]
    angles = torch.arange(steps)[:, None] * ROPE_BASE ** (
        -torch.arange(0, HEAD_WIDTH, 2, dtype=torch.float64) / HEAD_WIDTH
    )
    mask = torch.full((steps, steps), -torch.inf, dtype=torch.float64).triu(1)

    def norm(values: Tensor, name: str) -> Tensor:
        mean = values.square().mean(1, keepdim=True)
        return values / (mean + EPSILON).sqrt() * weights[f"{name}.weight"]

    def heads(values: Tensor, count: int) -> Tensor:
        return values.view(steps, count, HEAD_WIDTH).transpose(0, 1)

    def rotated(values: Tensor) -> Tensor:
        pairs = torch.view_as_complex(values.reshape(*values.shape[:-1], -1, 2).contiguous())
        return torch.view_as_real(pairs * torch.polar(torch.ones_like(angles), angles)).flatten(2)

    for index in range(LAYERS):
        layer = f"blk.{index}."

        def project(values: Tensor, name: str, layer: str = layer) -> Tensor:
            return values @ weights[f"{layer}{name}.weight"].T

        normed = norm(x, f"{layer}attn_norm")
        query = rotated(heads(project(normed, "attn_q"), HEADS))
        key = rotated(heads(project(normed, "attn_k"), KV_HEADS))
        value = heads(project(normed, "attn_v"), KV_HEADS)
        shared = HEADS // KV_HEADS
        key, value = key.repeat_interleave(shared, 0), value.repeat_interleave(shared, 0)
        attention = (query @ key.transpose(1, 2) / HEAD_WIDTH**0.5 + mask).softmax(2) @ value
        x = x + project(attention.transpose(0, 1).reshape(steps, WIDTH), "attn_output")
        normed = norm(x, f"{layer}ffn_norm")
        gate = torch.nn.functional.silu(project(normed, "ffn_gate"))
        x = x + project(gate * project(normed, "ffn_up"), "ffn_down")
    return norm(x, "output_norm") @ weights["output.weight"].T
