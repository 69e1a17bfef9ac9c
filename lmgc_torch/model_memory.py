"""What a language model takes, from its file's description, before its tensors are read."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import torch

from lmgc_torch import _C
from lmgc_torch.memory import device_bytes, host_bytes
from lmgc_torch.models.stored_model import Architecture, StoredModel

__all__ = ["ModelMemory", "memory_of_converted", "memory_of_stored", "require_room"]

#: Longest window that `ModelMemory` counts.
WINDOW = 2048
#: Bytes from which on a load is logged.
LARGE = 2**30
#: What files call the parts of a layer's matrices.
PARTS = {
    "query_key_value": ("query_key_value", "query", "key", "value"),
    "output": ("output",),
    "gate_up": ("gate", "up"),
    "down": ("down",),
}

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ModelMemory:
    """Bytes that a language model takes where it runs, and on the host until it does."""

    #: int8 codes.
    weights: int
    #: float32: scales, norms, biases, positions.
    floats: int
    #: Keys and values of one window of 2,048 tokens, or of the model's context if that is shorter.
    window: int
    #: Such windows that are decoded at a time on the CPU; of shorter ones more, up to 256. A GPU
    #: takes as many as half of what it has free can hold.
    lanes: int
    #: On the host beside all that, at most, until the model runs; 0 if its converted form is in
    #: the cache.
    conversion: int

    @property
    def model(self) -> int:
        """As long as it is loaded."""
        return self.weights + self.floats

    def __str__(self) -> str:
        text = (
            f"{_text(self.weights)} of int8 weights, {_text(self.floats)} of float32, "
            f"{_text(self.window)} of keys and values a window"
        )
        return text + (f", {_text(self.conversion)} to convert it" if self.conversion else "")


def memory_of_stored(model: StoredModel, place: torch.device) -> ModelMemory:
    """Of a model that is still to be converted, to run at `place`."""
    a, stored = model.architecture, model.tensors
    has_head = "head.weight" in stored
    biased = [
        name
        for name, parts in PARTS.items()
        if any(f"layers.0.{part}.bias" in stored for part in parts)
    ]
    matrices = [(a.vocabulary, a.width), *_layer(a).values()]
    # One of them as float32, the same divided by its scales, and its codes.
    work = max(9 * rows * depth for rows, depth in matrices)
    loaded = _memory(a, has_head, biased)
    if place.type == "cpu":
        # The engine packs all but the tables of the vocabulary, from tensors that go afterwards.
        tables = (1 + has_head) * a.vocabulary * a.width
        return _memory(a, has_head, biased, max(work, loaded.model - tables))
    return _memory(a, has_head, biased, loaded.model + work)


def memory_of_converted(a: Architecture, names: Collection[str]) -> ModelMemory:
    """Of a model in the cache, a file that is only mapped; `names`: of its tensors."""
    return _memory(a, "head.codes" in names, [n for n in PARTS if f"layers.0.{n}.bias" in names])


def require_room(file: Path, need: ModelMemory, place: torch.device) -> None:
    """Logs what a large model takes.

    Raises:
        MemoryError: host or device cannot hold it, with what it takes and what there is.
    """
    if need.model >= LARGE:
        _log.info("%s on %s: %s", file, place, need)
    host = need.conversion
    if place.type == "cpu":
        host = need.model + max(need.conversion, need.window)
    else:
        _require(file, need, need.model + need.window, str(place), device_bytes(place))
    _require(file, need, host, "this machine, or the process's control group,", host_bytes())


def _require(file: Path, need: ModelMemory, wanted: int, owner: str, there: int | None) -> None:
    if there is not None and wanted > there:
        raise MemoryError(
            f"{file} needs {_text(wanted)} ({need}); {owner} has {_text(there)} available; free "
            "some, raise the limit or choose a smaller model"
        )


def _memory(
    a: Architecture, has_head: bool, biased: Collection[str], conversion: int = 0
) -> ModelMemory:
    tables = (1 + has_head) * a.vocabulary
    norm = a.width * (2 if a.layer_norm else 1)
    positions = a.context * (a.width if a.learned_positions else a.head_width)
    tokens = min(WINDOW, a.context)
    layer = _layer(a)
    weights = sum(rows * depth for rows, depth in layer.values())
    floats = sum(rows * (1 + (name in biased)) for name, (rows, _) in layer.items())
    floats += 2 * norm + 2 * a.head_width * a.query_key_norm
    return ModelMemory(
        weights=tables * a.width + a.layers * weights,
        floats=4 * (tables + norm + positions + a.layers * floats),
        # Codes of key and value, their scales, the sum of the key's.
        window=a.layers * a.kv_heads * tokens * (2 * a.head_width + 12),
        lanes=_C.lanes(tokens),
        conversion=conversion,
    )


def _layer(a: Architecture) -> dict[str, tuple[int, int]]:
    """Outputs and inputs of a layer's matrices."""
    attention = a.heads * a.head_width
    return {
        "query_key_value": (attention + 2 * a.kv_heads * a.head_width, a.width),
        "output": (a.width, attention),
        "gate_up": (a.feed_forward * (1 if a.gelu else 2), a.width),
        "down": (a.width, a.feed_forward),
    }


def _text(size: int) -> str:
    return f"{size / 2**30:,.2f} GiB" if size >= 2**30 else f"{size / 2**20:,.1f} MiB"
