"""Lossy stages in front of the codec: fewer values, or less of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from lmgc_torch import _C

__all__ = ["Cast", "Quantize", "RandomK", "Sign", "Stage", "Threshold", "TopK"]

_SCALES = ("tensor", "row", "block")
_ROUNDINGS = ("nearest", "stochastic")
_PER = ("tensor", "bucket")


class Stage:
    """One of the stages below. Values of other ranks arrive as that rank's stages made them."""

    def apply(self, tensor: torch.Tensor, *, seed: int = 0) -> torch.Tensor:
        """What the stage alone makes of a float tensor, on the host: float32, or what it casts to.

        Raises:
            ValueError: NaNs, infinities, or values the stage cannot express.
        """
        staged = stage_values(make_chain([self]), tensor, [tensor.shape], seed, 0, 0)
        return staged.values.view(tensor.shape)


@dataclass(frozen=True)
class Cast(Stage):
    """float16 or bfloat16, rounded to nearest. What float16 cannot hold is refused."""

    dtype: torch.dtype = torch.bfloat16

    def __post_init__(self) -> None:
        _C.cast(self.dtype)


@dataclass(frozen=True)
class Quantize(Stage):
    """Uniform quantization to integers of 1 to 8 bits times a step.

    `scale`: what has one step: a `tensor` (parameter), a `row` of its first dimension, or a `block`
    of so many neighbours. The step is the largest size / (2^(bits - 1) - 1), in 5 significant bits,
    rounded up. `rounding`: `nearest`, or `stochastic`, whose mean is the value. One bit is a sign.
    """

    bits: int = 8
    scale: str = "tensor"
    rounding: str = "nearest"
    block: int = 256

    def __post_init__(self) -> None:
        _require("scale", self.scale, _SCALES)
        _require("rounding", self.rounding, _ROUNDINGS)
        _quantizer(self)


@dataclass(frozen=True)
class Sign(Stage):
    """Signs times the mean size of their `scale`; zeros stay zeros."""

    scale: str = "tensor"
    block: int = 256

    def __post_init__(self) -> None:
        _require("scale", self.scale, _SCALES)
        _quantizer(self)


@dataclass(frozen=True)
class TopK(Stage):
    """The values of largest size, `count` or a `share` of them, of each `tensor` or `bucket`."""

    share: float = 0.0
    count: int = 0
    per: str = "tensor"

    def __post_init__(self) -> None:
        _require("per", self.per, _PER)
        _C.top_k(self.count, self.share, self.per == "tensor")


@dataclass(frozen=True)
class RandomK(Stage):
    """Values at places of a bucket that all ranks draw alike: no places are sent."""

    share: float = 0.0
    count: int = 0

    def __post_init__(self) -> None:
        _C.random_k(self.count, self.share)


@dataclass(frozen=True)
class Threshold(Stage):
    """Values of at least a size."""

    size: float

    def __post_init__(self) -> None:
        _C.threshold(self.size)


def make_chain(stages: Sequence[Stage]) -> _C.Chain:
    """Raises ValueError or TypeError for stages that do not go together."""
    sparsifiers: list[_C.Sparsifier] = []
    quantizers: list[_C.Quantizer] = []
    for stage in stages:
        if isinstance(stage, (TopK, RandomK, Threshold)):
            if quantizers:
                raise ValueError(f"{stage} comes after {stages[0]}; first choose, then quantize")
            sparsifiers.append(_sparsifier(stage))
        elif isinstance(stage, (Cast, Quantize, Sign)):
            quantizers.append(_quantizer(stage))
        else:
            raise TypeError(f"{stage!r} is no stage; use those of lmgc_torch.stages")
    if len(sparsifiers) > 1 or len(quantizers) > 1:
        raise ValueError(f"{list(stages)}: at most one stage that chooses and one that quantizes")
    return _C.Chain(next(iter(sparsifiers), None), next(iter(quantizers), None))


def stage_values(
    chain: _C.Chain,
    tensor: torch.Tensor,
    shapes: Sequence[Sequence[int]],
    seed: int,
    turn: int,
    rank: int,
) -> _C.Staged:
    """What the stages make of parameters one after another. `turn`: others draw otherwise.

    They run on a GPU if the tensor is there, to the same bits; the result is on the host.
    """
    if not tensor.is_floating_point():
        raise TypeError(f"stages take float tensors, got {tensor.dtype}")
    device = stages_device(tensor)
    values = tensor.detach().to(device, torch.float32).flatten()
    shapes = shapes or [tensor.shape]
    found = _C.first_not_finite(values, shapes)
    if found is not None:
        raise ValueError(f"parameter {found} has a NaN or an infinity, which stages do not send")
    shared = _C.mixed(seed, turn)
    return chain.apply(values, shapes, shared, _C.mixed(shared, rank))


def stages_device(tensor: torch.Tensor) -> torch.device:
    """Where its values are staged."""
    return tensor.device if tensor.is_cuda else torch.device("cpu")


def _sparsifier(stage: TopK | RandomK | Threshold) -> _C.Sparsifier:
    if isinstance(stage, TopK):
        return _C.top_k(stage.count, stage.share, stage.per == "tensor")
    if isinstance(stage, RandomK):
        return _C.random_k(stage.count, stage.share)
    return _C.threshold(stage.size)


def _quantizer(stage: Cast | Quantize | Sign) -> _C.Quantizer:
    if isinstance(stage, Cast):
        return _C.cast(stage.dtype)
    scope = _SCALES.index(stage.scale)
    if isinstance(stage, Sign):
        return _C.quantize(1, scope, stage.block, False)
    return _C.quantize(stage.bits, scope, stage.block, stage.rounding == "stochastic")


def _require(name: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise ValueError(f"unknown {name} {value!r}; use one of {', '.join(known)}")
