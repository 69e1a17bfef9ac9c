from collections.abc import Sequence

import torch
from torch._C._distributed_c10d import ProcessGroup, Reducer

SERIALIZATIONS: list[str]

class PayloadError(ValueError):
    """A payload that cannot be decoded.

    `kind`: truncated, corrupt, version, preset, model, dtype or shape.
    """

    kind: str

class Codec:
    @staticmethod
    def planes() -> Codec: ...
    @staticmethod
    def paper(
        model: LanguageModel, serialization: int, bytes_per_group: int, byte_order: int, window: int
    ) -> Codec: ...
    def encode(
        self, gradient: torch.Tensor, lengths: Sequence[int] = ..., raw_fallback: bool = ...
    ) -> torch.Tensor: ...
    def decode(self, payload: torch.Tensor) -> torch.Tensor: ...
    def decode_into(self, payload: torch.Tensor, gradient: torch.Tensor) -> None: ...

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

class Hook:
    def stats(self, reset: bool = ...) -> dict[int, Counters]: ...
    def close(self) -> None: ...

def register_hook(
    reducer: Reducer,
    owner: ProcessGroup,
    group: ProcessGroup,
    global_ranks: Sequence[int],
    codec: Codec,
) -> Hook: ...
