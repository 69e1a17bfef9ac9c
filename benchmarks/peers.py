"""The lossless compressors that the paper compares with, each with its decoder, for float32."""

from __future__ import annotations

import io
import lzma
import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata

import fpzip
import numpy as np
import soundfile
from PIL import Image

from gradients import Floats


@dataclass(frozen=True)
class Peer:
    """A codec in a comparison: `decode(encode(values))` has the bits of `values`, float32 [n]."""

    name: str
    version: str
    encode: Callable[[Floats], bytes]
    decode: Callable[[bytes], Floats]


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


def gzip_encode(values: Floats) -> bytes:
    return zlib.compress(values.tobytes(), 9)


def gzip_decode(payload: bytes) -> Floats:
    return floats(zlib.decompress(payload))


def lzma_encode(values: Floats) -> bytes:
    return lzma.compress(values.tobytes(), preset=9)


def lzma_decode(payload: bytes) -> Floats:
    return floats(lzma.decompress(payload))


def fpzip_encode(values: Floats) -> bytes:
    return bytes(fpzip.compress(values, precision=0))


def fpzip_decode(payload: bytes) -> Floats:
    return np.asarray(fpzip.decompress(payload), np.float32).reshape(-1)


def shuffled_encode(values: Floats) -> bytes:
    """LZMA of all first bytes, then all second bytes, and so on."""
    planes = np.frombuffer(values.tobytes(), np.uint8).reshape(-1, 4).T
    return lzma.compress(planes.tobytes(), preset=9)


def shuffled_decode(payload: bytes) -> Floats:
    planes = np.frombuffer(lzma.decompress(payload), np.uint8).reshape(4, -1)
    return floats(planes.T.tobytes())


PAPER_PEERS = (
    Peer("PNG", f"pillow {metadata.version('pillow')}", png_encode, png_decode),
    Peer("FLAC", f"libsndfile {soundfile.__libsndfile_version__}", flac_encode, flac_decode),
    Peer("GZIP", f"zlib {zlib.ZLIB_RUNTIME_VERSION}", gzip_encode, gzip_decode),
    Peer("LZMA", "liblzma of Python", lzma_encode, lzma_decode),
    Peer("FPZIP", f"fpzip {metadata.version('fpzip')}", fpzip_encode, fpzip_decode),
)
# Not in the paper, but what one would try first on floats.
SHUFFLED_LZMA = Peer("LZMA, bytes shuffled", "liblzma of Python", shuffled_encode, shuffled_decode)
