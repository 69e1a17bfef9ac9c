"""Lossless gradient compression for PyTorch DDP, with language models as priors."""

import torch  # noqa: F401  loads the libraries that _C needs

from lmgc_torch import stages
from lmgc_torch._C import PayloadError, Staged
from lmgc_torch.codec import PRESETS, SERIALIZATIONS, Codec, CodecOptions
from lmgc_torch.collectives import (
    all_gather,
    all_gather_into_tensor,
    all_reduce,
    collective_counters,
    reduce_scatter,
    reduce_scatter_tensor,
)
from lmgc_torch.compress_hook import HookState, compress_hook
from lmgc_torch.compressed_group import CompressedGroup
from lmgc_torch.fsdp import register_fsdp
from lmgc_torch.hook import Handle, register
from lmgc_torch.stats import Counters, Stats, StatsLog
from lmgc_torch.version import __version__

__all__ = [
    "PRESETS",
    "SERIALIZATIONS",
    "Codec",
    "CodecOptions",
    "CompressedGroup",
    "Counters",
    "Handle",
    "HookState",
    "PayloadError",
    "Staged",
    "Stats",
    "StatsLog",
    "__version__",
    "all_gather",
    "all_gather_into_tensor",
    "all_reduce",
    "collective_counters",
    "compress_hook",
    "reduce_scatter",
    "reduce_scatter_tensor",
    "register",
    "register_fsdp",
    "stages",
]
