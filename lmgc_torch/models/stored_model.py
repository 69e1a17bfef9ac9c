"""A language model as its files describe it, whatever their format."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "CONTEXT_LIMIT",
    "DEPTH_LIMIT",
    "Architecture",
    "Names",
    "Rotary",
    "StoredModel",
    "StoredTensors",
    "Values",
]

#: Longest context the engine's sums are exact for.
CONTEXT_LIMIT = 8192
#: Longest sum of a matrix product.
DEPTH_LIMIT = 65536

Values = NDArray[np.float32]


@dataclass(frozen=True)
class Architecture:
    """Shape of a transformer. The flags, all off in Llama, tell other families from it."""

    layers: int
    width: int
    feed_forward: int
    heads: int
    kv_heads: int
    head_width: int
    vocabulary: int
    context: int
    norm_epsilon: float
    #: LayerNorm with gain and bias, instead of RMS norm.
    layer_norm: bool = False
    #: GELU of one projection, instead of SiLU of a gate times a second one.
    gelu: bool = False
    #: A vector for each position is added to the embedding, instead of rotating heads.
    learned_positions: bool = False
    #: RMS norm of each head's queries and keys before they are rotated.
    query_key_norm: bool = False


@dataclass(frozen=True)
class Rotary:
    """The angle of pair i at a position is position * base^(-2i / head_width) / divisors[i]."""

    base: float
    divisors: tuple[float, ...]


@dataclass(frozen=True)
class Names:
    """What one format calls the tensors: ours to its, without `.weight` and `.bias`.

    Those of a layer follow `layer` with the layer's index in it.
    """

    whole: dict[str, str]
    layer: str
    parts: dict[str, str]

    def own(self, name: str) -> str:
        """The file's name of, say, `layers.3.query.bias`."""
        stem, kind = name.rsplit(".", 1)
        if not stem.startswith("layers."):
            return f"{self.whole.get(stem, stem)}.{kind}"
        _, index, part = stem.split(".")
        return f"{self.layer.format(index)}{self.parts.get(part, part)}.{kind}"


class StoredTensors:
    """The tensors of a model file by our names, read one at a time, each at most once.

    A matrix is [outputs, inputs]; queries and keys have their rotary pairs at (i, i + half).
    `load` makes that of what the file has; it gets our name and the file's.
    """

    def __init__(
        self,
        file: Path,
        names: Names,
        stored: Iterable[str],
        load: Callable[[str, str], Values],
    ) -> None:
        self._file, self._names, self._load = file, names, load
        self._left = set(stored)

    def __contains__(self, name: str) -> bool:
        return self._names.own(name) in self._left

    def read(self, name: str, *shape: int) -> Values:
        """Raises ValueError, naming the file's tensor, if it is missing, of another shape, or not
        finite."""
        own = self._names.own(name)
        if own not in self._left:
            raise ValueError(f"{self._file}: tensor {own} is missing; choose another model file")
        self._left.remove(own)
        values = self._load(name, own)
        if values.shape != shape:
            raise ValueError(
                f"{self._file}: tensor {own} is {list(values.shape)}, expected {list(shape)}"
            )
        if not np.isfinite(values).all():
            raise ValueError(f"{self._file}: tensor {own} holds NaN or infinity")
        return values

    def refuse_rest(self) -> None:
        """Raises ValueError for a tensor that nobody read: the model has what we do not run."""
        if self._left:
            raise ValueError(
                f"{self._file}: tensor {min(self._left)} is not part of the families supported; "
                "choose another model"
            )


@dataclass(frozen=True)
class StoredModel:
    """All that conversion needs. `rotary` is None where positions are learned."""

    architecture: Architecture
    rotary: Rotary | None
    begin_token: int
    byte_tokens: list[int]
    tensors: StoredTensors
