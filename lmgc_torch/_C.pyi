import builtins
from collections.abc import Sequence
from typing import TypedDict

import torch
from torch._C._distributed_c10d import ProcessGroup, Reducer

SERIALIZATIONS: list[str]

class PayloadError(ValueError):
    """A payload that cannot be decoded.

    `kind`: truncated, corrupt, version, preset, model, dtype, shape or history.
    """

    kind: str

class StreamError(ValueError):
    """Bytes that no encoder writes."""

def rans_paths() -> list[str]: ...
def rans_path() -> str: ...
def set_rans_path(name: str) -> None: ...
def rans_frequencies(counts: torch.Tensor) -> torch.Tensor: ...
def rans_encode(
    symbols: torch.Tensor,
    contexts: torch.Tensor,
    counts: torch.Tensor,
    path: str,
    blocks: Sequence[int] = ...,
) -> torch.Tensor: ...
def rans_decode(
    chunk: torch.Tensor,
    contexts: torch.Tensor,
    counts: torch.Tensor,
    path: str,
    blocks: Sequence[int] = ...,
) -> torch.Tensor: ...
def set_predict_gemm_path(name: str) -> None: ...

class SideDict(TypedDict):
    """`weights` is int8 [n, pivots], the others are int64 [n]; `edges` are those of blocks."""

    order: torch.Tensor
    edges: torch.Tensor
    pivots: int
    weights: torch.Tensor
    shift: torch.Tensor
    exponent: torch.Tensor

class ModelDict(TypedDict):
    columns: SideDict
    rows: SideDict
    remainder_exponent: torch.Tensor

def is_matrix(shape: Sequence[int]) -> bool: ...

class History:
    """`blocks`: 0 doubling, 1 of sixteen, 2 of one."""

    def __init__(
        self,
        shape: Sequence[int],
        max_pivots: int = ...,
        blocks: int = ...,
        period: int = ...,
        phase: int = ...,
    ) -> None: ...
    def observe(self, average: torch.Tensor) -> None: ...
    @property
    def steps(self) -> int: ...
    @property
    def bytes(self) -> int: ...
    @property
    def fingerprint(self) -> int: ...
    @property
    def tiles(self) -> list[tuple[int, int, int, int]]: ...
    def models(self) -> list[ModelDict | None]: ...
    def state(self) -> builtins.bytes: ...
    def restore(self, state: builtins.bytes) -> None: ...
    def reset(self) -> None: ...

def predict_gemm_paths() -> list[str]: ...
def wide_paths() -> list[str]: ...
def set_wide_path(name: str) -> None: ...
def row_paths() -> list[str]: ...
def set_row_path(name: str) -> None: ...
def predict_gemm(
    a: torch.Tensor, b: torch.Tensor, c: torch.Tensor, path: str, accumulate: bool = ...
) -> None: ...

class Parameter:
    def __init__(self, shape: Sequence[int], history: History | None = ...) -> None: ...

class Codec:
    @staticmethod
    def structure(own_rows: bool = ...) -> Codec: ...
    @staticmethod
    def paper(
        model: LanguageModel, serialization: int, bytes_per_group: int, byte_order: int, window: int
    ) -> Codec: ...
    def encode(
        self,
        gradient: torch.Tensor,
        parameters: Sequence[Parameter] = ...,
        raw_fallback: bool = ...,
    ) -> torch.Tensor: ...
    def decode(
        self, payload: torch.Tensor, parameters: Sequence[Parameter] = ...
    ) -> torch.Tensor: ...
    def decode_into(
        self, payload: torch.Tensor, gradient: torch.Tensor, parameters: Sequence[Parameter] = ...
    ) -> None: ...

def observe(average: torch.Tensor, parameters: Sequence[Parameter]) -> None: ...

class Readout: ...

class KeyValueCache:
    @property
    def lanes(self) -> int: ...
    @property
    def length(self) -> int: ...
    @property
    def capacity(self) -> int: ...

class LanguageModel:
    def __init__(
        self,
        architecture: dict[str, int | float],
        tensors: dict[str, torch.Tensor],
        fingerprint: bytes,
    ) -> None: ...
    @property
    def architecture(self) -> dict[str, int | float]: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def begin_token(self) -> int: ...
    @property
    def byte_tokens(self) -> list[int]: ...
    @property
    def context(self) -> int: ...
    def readout(self, tokens: torch.Tensor) -> Readout: ...
    def cache(self, lanes: int, capacity: int) -> KeyValueCache: ...
    def extend(
        self,
        cache: KeyValueCache,
        tokens: torch.Tensor,
        readout: Readout,
        wanted: Sequence[bool] = ...,
    ) -> torch.Tensor: ...

def gemm_paths() -> list[str]: ...
def gemm_path() -> str: ...
def set_gemm_path(name: str) -> None: ...
def gemm_int8(left: torch.Tensor, right: torch.Tensor, path: str) -> torch.Tensor: ...

class Counters:
    buckets: int
    raw_bytes: int
    payload_bytes: int
    sent_bytes: int
    encode_seconds: float
    wire_seconds: float
    decode_seconds: float
    observe_seconds: float

class Hook:
    def stats(self, reset: bool = ...) -> dict[int, Counters]: ...
    def close(self) -> None: ...

def register_hook(
    reducer: Reducer,
    owner: ProcessGroup,
    group: ProcessGroup,
    global_ranks: Sequence[int],
    codec: Codec,
    histories: Sequence[tuple[torch.Tensor, History]],
) -> Hook: ...
