from collections.abc import Sequence

import torch
from torch._C._distributed_c10d import ProcessGroup, Reducer

FORMAT_VERSION: int
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
    def encode(self, gradient: torch.Tensor, lengths: Sequence[int] = ...) -> torch.Tensor: ...
    def decode(self, payload: torch.Tensor) -> torch.Tensor: ...
    def decode_into(self, payload: torch.Tensor, gradient: torch.Tensor) -> None: ...

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
