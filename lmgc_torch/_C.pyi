from collections.abc import Sequence

import torch

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
