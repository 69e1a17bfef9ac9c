"""The lossless compressors that the paper compares with, each with its decoder, for float32."""

from __future__ import annotations

import io
import lzma
import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import fpzip
import numpy as np
import numpy.typing as npt
import soundfile
from PIL import Image

from gradients import Floats

Array = npt.NDArray[Any]  # [n]: float32, or uint16 with the bits of bfloat16


@dataclass(frozen=True)
class Peer:
    """A codec in a comparison: `decode(encode(values))` has the bits of `values`."""

    name: str
    version: str
    encode: Callable[[Array], bytes]
    decode: Callable[[bytes], Array]


def floats(raw: bytes) -> Floats:
    return np.frombuffer(raw, np.float32)


def png_encode(values: Floats) -> bytes:
    """Bytes as an 8-bit grey image, as close to square as whole rows allow."""
    raw = values.tobytes()
    width = next(w for w in range(math.isqrt(len(raw)), 0, -1) if len(raw) % w == 0)
    stream = io.BytesIO()
    Image.frombytes("L", (width, len(raw) // width), raw).save(stream, "PNG", optimize=True)
    return stream.getvalue()


def png_decode(payload: bytes) -> Floats:
    with Image.open(io.BytesIO(payload)) as image:
        return floats(image.tobytes())


def flac_encode(values: Floats) -> bytes:
    """Bytes as one channel of 16-bit samples; stereo and 8-bit samples are no smaller."""
    stream = io.BytesIO()
    with soundfile.SoundFile(
        stream, "w", 44100, 1, "PCM_16", format="FLAC", compression_level=1.0
    ) as sound:
        sound.write(np.frombuffer(values.tobytes(), np.int16))
    return stream.getvalue()


def flac_decode(payload: bytes) -> Floats:
    with soundfile.SoundFile(io.BytesIO(payload)) as sound:
        return floats(sound.read(dtype="int16").tobytes())


def fpzip_encode(values: Floats) -> bytes:
    return bytes(fpzip.compress(values, precision=0))


def fpzip_decode(payload: bytes) -> Floats:
    return np.asarray(fpzip.decompress(payload), np.float32).reshape(-1)


def of_bytes(
    name: str,
    version: str,
    compress: Callable[[bytes], bytes],
    decompress: Callable[[bytes], bytes],
    dtype: npt.DTypeLike = np.float32,
) -> Peer:
    """A codec that sees bytes, not numbers."""

    def encode(values: Array) -> bytes:
        return compress(values.tobytes())

    def decode(payload: bytes) -> Array:
        return np.frombuffer(decompress(payload), dtype)

    return Peer(name, version, encode, decode)


def gzip_compress(raw: bytes) -> bytes:
    return zlib.compress(raw, 9)


def lzma_compress(raw: bytes) -> bytes:
    return lzma.compress(raw, preset=9)


def of_shuffled_bytes(
    name: str,
    version: str,
    compress: Callable[[bytes], bytes],
    decompress: Callable[[bytes], bytes],
    dtype: npt.DTypeLike = np.float32,
) -> Peer:
    """The same for all first bytes, then all second bytes, and so on."""
    width = np.dtype(dtype).itemsize

    def shuffle(raw: bytes) -> bytes:
        return compress(np.frombuffer(raw, np.uint8).reshape(-1, width).T.tobytes())

    def restore(payload: bytes) -> bytes:
        return np.frombuffer(decompress(payload), np.uint8).reshape(width, -1).T.tobytes()

    return of_bytes(name, version, shuffle, restore, dtype)


ZLIB = f"zlib {zlib.ZLIB_RUNTIME_VERSION}"
LIBLZMA = "liblzma of Python"
PAPER_PEERS = (
    Peer("PNG", f"pillow {metadata.version('pillow')}", png_encode, png_decode),
    Peer("FLAC", f"libsndfile {soundfile.__libsndfile_version__}", flac_encode, flac_decode),
    of_bytes("GZIP", ZLIB, gzip_compress, zlib.decompress),
    of_bytes("LZMA", LIBLZMA, lzma_compress, lzma.decompress),
    Peer("FPZIP", f"fpzip {metadata.version('fpzip')}", fpzip_encode, fpzip_decode),
)
# Not in the paper, but what one would try first on floats.
SHUFFLED_LZMA = of_shuffled_bytes("LZMA, bytes shuffled", LIBLZMA, lzma_compress, lzma.decompress)
