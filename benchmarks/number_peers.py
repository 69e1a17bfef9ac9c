"""The lossless compressors that one would use on gradients today, for float32 and bfloat16.

Each at its smallest but practical setting, on one thread; those that know numbers are told what
they get. PNG and FLAC are the paper's alone (peers.py).
"""

from __future__ import annotations

import lzma
import zlib
from functools import partial
from importlib import metadata

import blosc2
import fpzip
import numpy as np
import zipnn
import zstandard
from pcodec import ChunkConfig, standalone

from peers import LIBLZMA, ZLIB, Array, Peer, gzip_compress, lzma_compress
from peers import of_bytes as of_bytes_as
from peers import of_shuffled_bytes as of_shuffled_bytes_as

ZSTD_LEVEL = 19
PCO_LEVEL = 12  # the highest
BLOSC_LEVEL = 9
BFLOAT16_BITS = 16


def version(package: str) -> str:
    return f"{package} {metadata.version(package)}"


def zstd(dtype: type[np.generic]) -> Peer:
    compressor = zstandard.ZstdCompressor(level=ZSTD_LEVEL)
    decompressor = zstandard.ZstdDecompressor()
    name = f"zstd-{ZSTD_LEVEL}"
    return of_bytes_as(
        name, version("zstandard"), compressor.compress, decompressor.decompress, dtype
    )


def blosc(dtype: type[np.generic]) -> Peer:
    """Zstd in blocks of shuffled bytes, split by plane."""
    compress = partial(
        blosc2.compress2,
        codec=blosc2.Codec.ZSTD,
        clevel=BLOSC_LEVEL,
        typesize=np.dtype(dtype).itemsize,
        filters=[blosc2.Filter.SHUFFLE],
        nthreads=1,
    )
    name = f"blosc2 zstd-{BLOSC_LEVEL} shuffle"
    return of_bytes_as(name, version("blosc2"), compress, blosc2.decompress2, dtype)


def pco(dtype: type[np.generic]) -> Peer:
    """bfloat16 goes in as float16: the order of the numbers is the same, and pco keeps bits."""
    seen = np.float16 if dtype is np.uint16 else dtype
    config = ChunkConfig(compression_level=PCO_LEVEL)

    def encode(values: Array) -> bytes:
        return bytes(standalone.simple_compress(values.view(seen), config))

    def decode(payload: bytes) -> Array:
        values = standalone.simple_decompress(payload)
        assert isinstance(values, np.ndarray)
        return values.view(dtype)

    return Peer("pco", version("pcodec"), encode, decode)


def fpzip_peer(dtype: type[np.generic]) -> Peer:
    """bfloat16 goes in as float32 of which fpzip keeps the upper 16 bits: all there are."""
    if dtype is np.float32:
        return Peer("fpzip", version("fpzip"), fpzip_encode, fpzip_decode)

    def encode(values: Array) -> bytes:
        wide = (values.astype(np.uint32) << BFLOAT16_BITS).view(np.float32)
        return fpzip_encode(wide, BFLOAT16_BITS)

    def decode(payload: bytes) -> Array:
        return (fpzip_decode(payload).view(np.uint32) >> BFLOAT16_BITS).astype(np.uint16)

    return Peer("fpzip", version("fpzip"), encode, decode)


def fpzip_encode(values: Array, precision: int = 0) -> bytes:
    return bytes(fpzip.compress(values, precision=precision))


def fpzip_decode(payload: bytes) -> Array:
    return np.asarray(fpzip.decompress(payload), np.float32).reshape(-1)


def zip_nn(dtype: type[np.generic]) -> Peer:
    name = "float32" if dtype is np.float32 else "bfloat16"
    codec = zipnn.ZipNN(input_format="byte", bytearray_dtype=name, threads=1)

    def compress(raw: bytes) -> bytes:
        return bytes(codec.compress(raw))

    def decompress(payload: bytes) -> bytes:
        return bytes(codec.decompress(payload))

    return of_bytes_as("zipnn", version("zipnn"), compress, decompress, dtype)


def number_peers(dtype: type[np.generic]) -> tuple[Peer, ...]:
    """For values of `dtype`: np.float32, or np.uint16 for the bits of bfloat16."""
    of_bytes, shuffled = (
        partial(of_bytes_as, dtype=dtype),
        partial(of_shuffled_bytes_as, dtype=dtype),
    )
    return (
        zstd(dtype),
        of_bytes("lzma", LIBLZMA, lzma_compress, lzma.decompress),
        shuffled("lzma, bytes shuffled", LIBLZMA, lzma_compress, lzma.decompress),
        of_bytes("gzip", ZLIB, gzip_compress, zlib.decompress),
        blosc(dtype),
        pco(dtype),
        fpzip_peer(dtype),
        zip_nn(dtype),
    )
