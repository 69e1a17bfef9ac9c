"""python cancel_program.py load|encode|decode: ends calls by Ctrl-C, again and again, at other
moments.

Prints a line of JSON: how many calls that ended, and by how many bytes memory grew from the second
on, when the allocator keeps what it is going to keep.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import torch

from lmgc_torch import _C
from lmgc_torch.model import load_language_model
from random_model import random_language_model

TURNS = 6


def anonymous_bytes() -> int:
    gc.collect()
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("RssAnon:")).split()[1])


def interrupted(call: Callable[[], object], seconds: float) -> bool:
    """Whether Ctrl-C ended a call after some time."""
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        call()
    except KeyboardInterrupt:
        return True
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return False


def main() -> None:
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    codec = _C.Codec.paper(random_language_model(), 1, 4, 0, 60)
    gradient = torch.randn(2_000_000)
    few = gradient[:20].clone()
    before = codec.encode(few, raw_fallback=False)
    if sys.argv[1] == "decode":
        payload = codec.encode(gradient[:100_000], raw_fallback=False)
    calls: dict[str, Callable[[], object]] = {
        "load": load_language_model,
        "encode": lambda: codec.encode(gradient),
        "decode": lambda: codec.decode(payload),
    }
    call = calls[sys.argv[1]]
    ended, grown = 0, []
    for turn in range(TURNS):
        ended += interrupted(call, 0.2 * (1 + turn))
        grown.append(anonymous_bytes())
        if sys.argv[1] == "load":
            left = list(Path(os.environ["LMGC_CACHE"]).glob("*.tmp"))
            assert not left, left
    assert torch.equal(codec.encode(few, raw_fallback=False), before)
    assert torch.equal(codec.decode(before), few)
    print(json.dumps({"ended": ended, "growth_bytes": grown[-1] - grown[1]}))


if __name__ == "__main__":
    main()
