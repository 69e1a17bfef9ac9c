"""Reads a GGUF file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np

from lmgc_torch.models.byte_tokens import byte_tokens
from lmgc_torch.models.families import BY_ARCHITECTURE, GGUF_NAMES, Family, family_of
from lmgc_torch.models.fields import Fields
from lmgc_torch.models.stored_model import (
    CONTEXT_LIMIT,
    DEPTH_LIMIT,
    Architecture,
    Rotary,
    StoredModel,
    StoredTensors,
    Values,
)

__all__ = ["read_gguf"]


def read_gguf(file: Path) -> StoredModel:
    """Describes the model in a file; its tensors, of any type that `gguf` dequantizes, are read
    when they are asked for.

    Raises:
        ValueError: not a GGUF file, or it needs what the engine lacks: named, with what there is.
    """
    try:
        reader = _Reader(file)
        fields = Fields(file, {name: field.contents() for name, field in reader.fields.items()})
    except (ValueError, LookupError, ArithmeticError, RecursionError) as error:
        raise ValueError(f"{file}: not a readable GGUF file ({error}); get it again") from error
    fields.demand("split.count", 1)
    family = family_of(fields, "general.architecture", BY_ARCHITECTURE)
    texts, kinds = _vocabulary(fields)
    architecture = _architecture(fields, family, len(texts))
    tensors = _tensors(file, reader, family, architecture)
    ordinary = {
        text: token
        for token, (text, kind) in enumerate(zip(texts, kinds, strict=True))
        if kind in (gguf.TokenType.NORMAL, gguf.TokenType.BYTE)
    }
    byte_level = fields.get("tokenizer.ggml.model") == "gpt2"
    end = fields.integer("tokenizer.ggml.eos_token_id", 0, least=0, most=len(texts) - 1)
    return StoredModel(
        architecture,
        None if architecture.learned_positions else _rotary(fields, family, architecture, tensors),
        fields.integer("tokenizer.ggml.bos_token_id", end, least=0, most=len(texts) - 1),
        byte_tokens(file, byte_level=byte_level, tokens=ordinary),
        tensors,
    )


class _Reader(gguf.GGUFReader):
    """Refuses lengths that exceed the file, which the reader takes for empty arrays."""

    def _get(self, offset: int, dtype: Any, count: int = 1, override_order: Any = None) -> Any:
        values = super()._get(offset, dtype, count, override_order)
        if len(values) != count:
            raise ValueError(f"it ends at byte {len(self.data)}, inside {count} {dtype}")
        return values


def _vocabulary(fields: Fields) -> tuple[list[str], list[int]]:
    fields.demand("tokenizer.ggml.model", "gpt2", "llama")
    texts, kinds = (fields.get(f"tokenizer.ggml.{name}") for name in ("tokens", "token_type"))
    for values, kind in ((texts, str), (kinds, int)):
        if not isinstance(values, list) or not all(isinstance(value, kind) for value in values):
            raise ValueError(
                f"{fields.file}: tokenizer.ggml.tokens and token_type are not lists of texts and "
                "integers; choose another model file"
            )
    if len(texts) != len(kinds):
        raise ValueError(
            f"{fields.file}: {len(texts)} tokens have {len(kinds)} types; get it again"
        )
    return texts, kinds


def _architecture(fields: Fields, family: Family, vocabulary: int) -> Architecture:
    key = family.architecture
    fields.demand(f"{key}.expert_count", 0)
    heads = fields.integer(f"{key}.attention.head_count", most=1024)
    width = fields.integer(f"{key}.embedding_length", most=DEPTH_LIMIT)
    head_width = fields.integer(f"{key}.attention.key_length", width // heads, most=1024)
    fields.demand(f"{key}.attention.value_length", head_width)
    fields.demand(f"{key}.rope.dimension_count", head_width)
    context = fields.integer(f"{key}.context_length", most=2**40)
    window = fields.integer(f"{key}.attention.sliding_window", context, least=0, most=2**40)
    rms = "" if family.features.get("layer_norm") else "_rms"
    return Architecture(
        layers=fields.integer(f"{key}.block_count", most=1024),
        width=width,
        feed_forward=fields.integer(f"{key}.feed_forward_length", most=DEPTH_LIMIT),
        heads=heads,
        kv_heads=fields.integer(f"{key}.attention.head_count_kv", heads, most=heads),
        head_width=head_width,
        vocabulary=vocabulary,
        context=min(context, window or context, CONTEXT_LIMIT),
        norm_epsilon=fields.number(f"{key}.attention.layer_norm{rms}_epsilon"),
        **family.features,
    )


def _rotary(fields: Fields, family: Family, a: Architecture, tensors: StoredTensors) -> Rotary:
    key = family.architecture
    fields.demand(f"{key}.rope.scaling.type", "none", "linear")
    fields.demand(f"{key}.rope.scale_linear", 1.0)
    half = a.head_width // 2
    linear = fields.get(f"{key}.rope.scaling.type") == "linear"
    factor = fields.number(f"{key}.rope.scaling.factor", least=1) if linear else 1.0
    divisors = np.full(half, factor)
    if "rotary_divisors.weight" in tensors:
        divisors *= tensors.read("rotary_divisors.weight", half)
        if (divisors < 1).any():
            raise ValueError(
                f"{fields.file}: tensor rope_freqs.weight holds {divisors.min()}; supported: "
                "numbers of at least 1; choose another model"
            )
    base = fields.number(f"{key}.rope.freq_base", 10000.0, least=1)
    return Rotary(base, tuple(divisors.tolist()))


def _tensors(file: Path, reader: gguf.GGUFReader, family: Family, a: Architecture) -> StoredTensors:
    sources = {tensor.name: tensor for tensor in reader.tensors}

    def load(name: str, own: str) -> Values:
        tensor = sources[own]
        try:
            values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        except NotImplementedError as error:
            raise ValueError(f"{file}: tensor {own}: {error}; choose another file") from error
        values = np.array(values, dtype=np.float32, order="C")  # owned: the file is only mapped
        if family.neighbours and name.split(".")[-2] in ("query", "key"):
            return _half_split(values, a.head_width)
        return values

    return StoredTensors(file, GGUF_NAMES, sources, load)


def _half_split(values: Values, head_width: int) -> Values:
    """Rows in the order of pairs (i, i + half), from that of neighbours (2i, 2i + 1)."""
    if values.shape[0] % head_width or head_width % 2:
        return values  # of a wrong shape, which the reader refuses
    pairs = values.reshape(-1, head_width // 2, 2, values.size // values.shape[0])
    return np.ascontiguousarray(pairs.swapaxes(1, 2)).reshape(values.shape)
