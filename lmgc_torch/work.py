"""A call under way, as torch.distributed's Work."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta

import torch
import torch.distributed as dist

__all__ = ["CallWork", "Tensors"]

Tensors = list[torch.Tensor]


class CallWork(dist.Work):
    """Of a call's future. Unlike PyTorch's own Work of one, `wait` raises what ended the call."""

    def __init__(self, future: torch.futures.Future[Tensors], device: torch.device) -> None:
        super().__init__()
        self._future = future
        self._gpu = device if device.type == "cuda" else None

    def wait(self, timeout: timedelta | None = None) -> bool:
        """Until the call ends, which it does at the group's timeout at the latest.

        Tensors on a GPU: until all that is left is to copy them there, for which the current stream
        waits.
        """
        self._future.wait()
        return True

    def get_future(self) -> torch.futures.Future[Tensors]:
        """Holds the call's tensors.

        It completes on a thread of its own, so that callbacks may wait for later calls, as those
        of PyTorch's PowerSGD do: what completes calls goes on meanwhile.
        """
        if self._future.done():
            return self._future
        thread: torch.futures.Future[None] = torch.futures.Future(
            devices=None if self._gpu is None else [self._gpu]
        )

        def complete() -> None:
            with self._on_gpu():
                thread.set_result(None)

        self._future.add_done_callback(lambda _: threading.Thread(target=complete).start())
        return thread.then(lambda _: self._future.wait())  # and so does its stream

    def _on_gpu(self) -> AbstractContextManager[None]:
        return nullcontext() if self._gpu is None else torch.cuda.device(self._gpu)

    def is_completed(self) -> bool:
        return self._future.done()
