"""Lossless gradient compression for PyTorch DDP, with language models as priors."""

import torch  # noqa: F401  loads the libraries that _C needs

from lmgc_torch._C import PayloadError
from lmgc_torch.codec import PRESETS, SERIALIZATIONS, Codec, CodecOptions
from lmgc_torch.hook import Handle, register
from lmgc_torch.stats import Counters, Stats, StatsLog
from lmgc_torch.version import __version__

__all__ = [
    "PRESETS",
    "SERIALIZATIONS",
    "Codec",
    "CodecOptions",
    "Counters",
    "Handle",
    "PayloadError",
    "Stats",
    "StatsLog",
    "__version__",
    "register",
]
