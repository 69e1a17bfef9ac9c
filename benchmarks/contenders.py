"""What speed.py times, each ready to encode, decode and, if it learns, observe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import blosc2
import torch
import zipnn
from torch import Tensor

import lmgc_torch
import ours
from number_peers import version
from sequences import Sequence, Shapes

BASELINE = "zipnn"
HALF = ", half"  # ends the name of such a dump
BLOSC_LEVEL = 1


@dataclass(frozen=True)
class Dump:
    """Consecutive gradients of one net in one dtype."""

    name: str
    dtype: str
    shapes: Shapes
    steps: list[Tensor]  # the last is to be coded

    @property
    def gradient(self) -> Tensor:
        return self.steps[-1]

    def half(self) -> Dump:
        """The first parameters, at least half of the values."""
        count, values = 0, 0
        while 2 * values < self.gradient.numel():
            values += torch.Size(self.shapes[count]).numel()
            count += 1
        steps = [step[:values].clone() for step in self.steps]
        return Dump(self.name + HALF, self.dtype, self.shapes[:count], steps)


@dataclass(frozen=True)
class Contender:
    name: str
    version: str
    fresh: Callable[[], Any]  # the gradient as `encode` wants it, made outside its time
    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]
    observe: Callable[[Tensor], object] | None = None


def dump(sequence: Sequence, dtype: str) -> Dump:
    steps = [ours.as_tensor(step, ours.DTYPES[dtype]) for step in sequence.steps]
    return Dump(sequence.name, dtype, sequence.shapes, steps)


def contenders(gradients: Dump, presets: list[str], threads: int) -> list[Contender]:
    """zipnn writes into the bytes it is given, so each time it gets others."""
    raw = ours.as_array(gradients.gradient).tobytes()
    zip_nn = zipnn.ZipNN(input_format="byte", bytearray_dtype=gradients.dtype, threads=threads)
    blosc_encode = partial(
        blosc2.compress2,
        codec=blosc2.Codec.ZSTD,
        clevel=BLOSC_LEVEL,
        typesize=gradients.gradient.itemsize,
        filters=[blosc2.Filter.SHUFFLE],
        nthreads=threads,
    )
    blosc_decode = partial(blosc2.decompress2, nthreads=threads)
    blosc_name = f"blosc2 zstd-{BLOSC_LEVEL} shuffle"
    own = [lmgc_torch.Codec(preset, shapes=gradients.shapes) for preset in presets]
    return [
        Contender(
            BASELINE,
            version("zipnn"),
            lambda: bytes(bytearray(raw)),
            zip_nn.compress,
            zip_nn.decompress,
        ),
        Contender(blosc_name, version("blosc2"), lambda: raw, blosc_encode, blosc_decode),
        *(
            Contender(
                preset,
                ours.version(),
                lambda: gradients.gradient,
                codec.encode,
                codec.decode,
                codec.observe,
            )
            for preset, codec in zip(presets, own, strict=True)
        ),
    ]


def as_bytes(value: Any) -> bytes:
    """Of a payload or of decoded values."""
    return value.view(torch.uint8).numpy().tobytes() if isinstance(value, Tensor) else bytes(value)
