"""python fork_program.py SCENARIO: a process that codes, forks, and goes on; prints "same bits".

A program of its own, so that a hang ends at the test's time limit and not with pytest.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

import lmgc_torch
from lmgc_torch import _C
from random_model import random_language_model
from tensors import to_bits

THREADS = 4
SHAPES = [(300, 400), (1000, 100), (77,)]
GRADIENT = torch.randn(sum(torch.Size(shape).numel() for shape in SHAPES))
TEXT = torch.arange(400.0).sin()


def codecs() -> dict[str, Any]:
    """A codec of each preset, those with a history after a step."""
    made: dict[str, Any] = {
        preset: lmgc_torch.Codec(preset, shapes=SHAPES) for preset in ("fast", "balanced", "max")
    }
    for codec in made.values():
        codec.observe(GRADIENT.flip(0))
    made["paper"] = _C.Codec.paper(random_language_model(), 1, 4, 0, 60)
    return made


def values_of(preset: str) -> torch.Tensor:
    return TEXT if preset == "paper" else GRADIENT


def encoded(codec: Any, preset: str) -> torch.Tensor:
    payload: torch.Tensor = codec.encode(values_of(preset), raw_fallback=False)
    return payload


def check(codec: Any, preset: str, payload: torch.Tensor) -> None:
    values = values_of(preset)
    assert torch.equal(encoded(codec, preset), payload), preset
    assert torch.equal(to_bits(codec.decode(payload)), to_bits(values)), preset


def check_all(inherited: dict[str, Any], payloads: dict[str, torch.Tensor]) -> None:
    for codecs_here in (inherited, codecs()):
        for preset, codec in codecs_here.items():
            check(codec, preset, payloads[preset])


def in_fork(work: Callable[[], None]) -> None:
    """Runs it in a forked child, which ends at once, as those of multiprocessing do: an ordinary
    end would run Torch's own destructors, which wait for the parent's threads."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0


def forked() -> None:
    """A child and its child; the parent before and after."""
    made = codecs()
    payloads = {preset: encoded(codec, preset) for preset, codec in made.items()}
    check_all(made, payloads)

    def work() -> None:
        check_all(made, payloads)
        assert torch.get_num_threads() == THREADS
        in_fork(lambda: check_all(made, payloads))

    in_fork(work)
    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join()
    assert process.exitcode == 0
    check_all(made, payloads)
    assert torch.get_num_threads() == THREADS


class Payloads(Dataset[torch.Tensor]):
    def __init__(self, codec: Any, preset: str) -> None:
        self.codec, self.preset = codec, preset

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> torch.Tensor:
        payload = encoded(self.codec, self.preset)
        check(self.codec, self.preset, payload)
        return payload


def loader() -> None:
    """Workers of a DataLoader code with the parent's codecs."""
    for preset, codec in codecs().items():
        payload = encoded(codec, preset)
        batches = DataLoader(
            Payloads(codec, preset), num_workers=2, batch_size=None, multiprocessing_context="fork"
        )
        for coded in batches:
            assert torch.equal(coded, payload), preset
            check(codec, preset, payload)


def beside_threads() -> None:
    """Forks while other threads are in the middle of coding."""
    made = codecs()
    payloads = {preset: encoded(codec, preset) for preset, codec in made.items()}
    ended = threading.Event()

    def code() -> None:
        while not ended.is_set():
            for preset, codec in made.items():
                check(codec, preset, payloads[preset])

    threads = [threading.Thread(target=code) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(10):
        time.sleep(0.05)
        in_fork(lambda: check_all(made, payloads))
    ended.set()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    torch.manual_seed(0)
    torch.set_num_threads(THREADS)
    GRADIENT = torch.randn_like(GRADIENT)
    {"forked": forked, "loader": loader, "beside_threads": beside_threads}[sys.argv[1]]()
    print("same bits")
