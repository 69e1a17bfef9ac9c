"""Converts a stored model to the int8 tensors that the engine runs.

By name (L = `layers.<index>.`); a matrix `m` is two tensors, `m.codes` int8 and `m.scales` float32
[rows], its values being code * scale of the row:

| name | shape | dtype |
|---|---|---|
| `embedding`; `head` unless it is the embedding | [vocabulary, width] | matrix |
| L`query_key_value`: heads, kv_heads, kv_heads, each of head_width | [sum, width] | matrix |
| L`output` | [width, heads * head_width] | matrix |
| L`gate_up`: gates, then ups; of GELU, ups alone | [2 * feed_forward, width] | matrix |
| L`down` | [width, feed_forward] | matrix |
| `m.bias` of a layer's matrix `m`, if the model has one | [rows] | float32 |
| L`attention_norm`, L`feed_forward_norm`, `norm` | [width] | float32 |
| `n.bias` of each of these norms `n`, with `layer_norm` | [width] | float32 |
| L`query_norm`, L`key_norm`, with `query_key_norm` | [head_width] | float32 |
| `positions`, with `learned_positions`, else the next | [context, width] | float32 |
| `rope.cosines`, `rope.sines`: of pairs (i, i + half) | [context, half] | float32 |
| `begin_token`; `byte_tokens`, all different | [1]; [256] | int32 |
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from lmgc_torch.models.gguf_file import read_gguf
from lmgc_torch.models.hf_folder import read_folder
from lmgc_torch.models.stored_model import Architecture, StoredModel, Values
from lmgc_torch.rotary import rotary_tables

__all__ = ["ARITHMETIC_VERSION", "Architecture", "Converted", "convert", "feed", "read_model"]

#: Enters fingerprints and cache names: raise it when conversion or the engine's arithmetic changes.
ARITHMETIC_VERSION = 1

Tensors = dict[str, torch.Tensor]
Named = Iterator[tuple[str, torch.Tensor]]


@dataclass(frozen=True)
class Converted:
    """What the engine runs, and the SHA-256 that names it."""

    architecture: Architecture
    tensors: Tensors
    fingerprint: bytes

    def tempered(self, temperature: float) -> Converted:
        """The model whose scores are divided by `temperature`: another one, of another name."""
        if temperature == 1:
            return self
        last = {
            name: self.tensors[name] / temperature
            for name in ("norm", "norm.bias")
            if name in self.tensors
        }
        tensors = self.tensors | last
        return replace(self, tensors=tensors, fingerprint=_fingerprint(self.architecture, tensors))


def read_model(path: Path) -> StoredModel:
    """Describes a GGUF file or a Hugging Face folder.

    Raises:
        FileNotFoundError, ValueError: as `read_gguf` and `read_folder` do.
    """
    return read_folder(path) if path.is_dir() else read_gguf(path)


def convert(path: Path) -> Converted:
    """Reads a GGUF file or a Hugging Face folder and quantizes its matrices to int8, a scale per
    output.

    Raises:
        FileNotFoundError, ValueError: as `read_model` does; ValueError for tensors that are
            missing, of another shape, not finite, or too many.
    """
    model = read_model(path)
    tensors = dict(_tensors(model))
    tensors["begin_token"] = torch.tensor([model.begin_token], dtype=torch.int32)
    tensors["byte_tokens"] = torch.tensor(model.byte_tokens, dtype=torch.int32)
    if model.rotary is not None:
        a = model.architecture
        tensors["rope.cosines"], tensors["rope.sines"] = rotary_tables(
            model.rotary.base, a.head_width, a.context, model.rotary.divisors
        )
    return Converted(model.architecture, tensors, _fingerprint(model.architecture, tensors))


def _tensors(model: StoredModel) -> Named:
    a, stored = model.architecture, model.tensors
    kv_width = a.kv_heads * a.head_width
    heads = {"query": a.heads * a.head_width, "key": kv_width, "value": kv_width}
    if "layers.0.query_key_value.weight" in stored:
        heads = {"query_key_value": sum(heads.values())}
    inner = dict.fromkeys(("up",) if a.gelu else ("gate", "up"), a.feed_forward)

    def whole(name: str) -> Named:
        yield from _matrix(name, stored.read(f"{name}.weight", a.vocabulary, a.width))

    def vector(name: str, size: int) -> Named:
        yield name, torch.from_numpy(stored.read(f"{name}.weight", size))

    def norm(name: str) -> Named:
        yield from vector(name, a.width)
        if a.layer_norm:
            yield f"{name}.bias", torch.from_numpy(stored.read(f"{name}.bias", a.width))

    def joined(name: str, layer: str, parts: dict[str, int], depth: int) -> Named:
        """Outputs of `parts`, one after the other; zeros for a bias that only others have."""
        weights = (
            stored.read(f"{layer}{part}.weight", rows, depth) for part, rows in parts.items()
        )
        yield from _matrix(f"{layer}{name}", np.concatenate(tuple(weights)))
        biases = [
            stored.read(f"{layer}{part}.bias", rows) if f"{layer}{part}.bias" in stored else None
            for part, rows in parts.items()
        ]
        if any(bias is not None for bias in biases):
            values = [
                np.zeros(rows, np.float32) if bias is None else bias
                for rows, bias in zip(parts.values(), biases, strict=True)
            ]
            yield f"{layer}{name}.bias", torch.from_numpy(np.concatenate(values))

    yield from whole("embedding")
    if "head.weight" in stored:
        yield from whole("head")
    yield from norm("norm")
    if a.learned_positions:
        positions = stored.read("positions.weight", a.context, a.width)
        yield "positions", torch.from_numpy(positions)
    for index in range(a.layers):
        layer = f"layers.{index}."
        yield from norm(f"{layer}attention_norm")
        yield from norm(f"{layer}feed_forward_norm")
        if a.query_key_norm:
            yield from vector(f"{layer}query_norm", a.head_width)
            yield from vector(f"{layer}key_norm", a.head_width)
        yield from joined("query_key_value", layer, heads, a.width)
        yield from joined("output", layer, {"output": a.width}, a.heads * a.head_width)
        yield from joined("gate_up", layer, inner, a.width)
        yield from joined("down", layer, {"down": a.width}, a.feed_forward)
    stored.refuse_rest()


def _matrix(name: str, values: Values) -> Named:
    """Codes in [-127, 127] and a scale for each row."""
    scales = (np.abs(values).max(axis=1) / np.float32(127)).astype(np.float32)
    rounded = values / np.where(scales > 0, scales, np.float32(1))[:, None]
    np.rint(rounded, out=rounded)
    yield f"{name}.codes", torch.from_numpy(rounded.astype(np.int8))
    yield f"{name}.scales", torch.from_numpy(scales)


def _fingerprint(architecture: Architecture, tensors: Tensors) -> bytes:
    digest = hashlib.sha256(f"lmgc_torch arithmetic {ARITHMETIC_VERSION}".encode())
    feed(digest, architecture, tensors)
    return digest.digest()


class Digest(Protocol):
    def update(self, data: bytes | memoryview, /) -> None: ...


def feed(digest: Digest, architecture: Architecture, tensors: Tensors) -> None:
    """All bits of a converted model, in one order. Flags that are off are left out: a model keeps
    its fingerprint when a family with a new one arrives."""
    shape = {field.name: getattr(architecture, field.name) for field in fields(architecture)}
    told = {name: value for name, value in shape.items() if value is not False}
    digest.update(json.dumps(told, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        digest.update(tensor.contiguous().numpy().data.cast("B"))
