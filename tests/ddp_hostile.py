"""A peer that shakes hands like any other, and then sends what no honest peer sends."""

import torch
import torch.distributed as dist
from torch._C._distributed_c10d import PrefixStore
from torch.nn.parallel import DistributedDataParallel

import lmgc_torch
from lmgc_torch import ddp_module, groups
from lmgc_torch.handshake import shake_hands


def register_hostile(ddp: DistributedDataParallel, attack: str) -> None:
    """The last rank of two: a Python hook that speaks the hook's protocol on its group.

    Without an attack its payloads are those of the first bucket of all, again and again.
    """
    codec = lmgc_torch.Codec()
    ranks = dist.get_process_group_ranks(ddp.process_group)
    facts, told = ddp_module.facts_of(ddp, codec), {"host": groups.host_identity()}
    token = shake_hands(ddp.process_group, ranks, facts, None, "", "", told).token
    store = PrefixStore(f"lmgc_torch/{token}", ddp.process_group.get_group_store())
    store = PrefixStore("0", store)
    group = groups.make_group(ddp.process_group, store, ddp.process_group.rank(), ranks, None)

    def attacked(state: None, bucket: dist.GradBucket) -> torch.futures.Future[torch.Tensor]:
        values = bucket.buffer()
        payload = codec.encode(values)
        if attack == "damaged":
            payload[payload.numel() // 2] ^= 16
        elif attack == "truncated":
            payload = payload[:-1].clone()
        sizes = {"huge": 1 << 60, "negative": -1}
        size = sizes.get(attack, payload.numel())
        own = torch.tensor([0, bucket.index(), values.nbytes, size, 0])
        announcements = torch.empty(10, dtype=torch.int64)
        group.alltoall_base(announcements, own.repeat(2), [], []).wait()
        if attack not in sizes:
            received = torch.empty(int(announcements[4]), dtype=torch.uint8)
            receiving = group.recv([received], 0, 0)
            group.send([payload], 0, 0).wait()
            receiving.wait()
        future: torch.futures.Future[torch.Tensor] = torch.futures.Future()
        future.set_result(values)
        return future

    ddp.register_comm_hook(None, attacked)
