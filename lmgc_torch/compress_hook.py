"""The hook in the form of PyTorch's own: a state, and a Python function that DDP calls."""
# Without `from __future__ import annotations`: DDP looks at the hook's.

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import torch
from torch._C._distributed_c10d import GradBucket
from torch.distributed.device_mesh import DeviceMesh
from torch.nn.parallel import DistributedDataParallel

from lmgc_torch.hook import Handle, make_hook
from lmgc_torch.plan import AUTO

__all__ = ["HookState", "compress_hook"]


class HookState(Handle):
    """What `compress_hook` needs, and what `register` returns: stats and history.

    Arguments, and who raises what, as in `lmgc_torch.register`, which registers nothing here.
    """

    def __init__(
        self,
        ddp: DistributedDataParallel,
        preset: str = AUTO,
        *,
        hosts: DeviceMesh | Sequence[Sequence[int]] | None = None,
        timeout: timedelta | None = None,
        **options: Any,
    ) -> None:
        hook, handle = make_hook(ddp, preset, hosts=hosts, timeout=timeout, **options)
        super().__init__(
            handle._communicator, hook, handle.preset, handle._state, handle._residuals
        )


def compress_hook(state: HookState, bucket: GradBucket) -> torch.futures.Future[torch.Tensor]:
    """Averages a bucket as `lmgc_torch.register` does, to the same bits.

    For code that takes hooks as Python functions, and for PyTorch's wrappers:

        state = lmgc_torch.HookState(ddp)
        ddp.register_comm_hook(state, bf16_compress_wrapper(lmgc_torch.compress_hook))
    """
    # DDP takes a Python future's value alone.
    return state._hook.run(bucket).then(lambda future: future.value())
