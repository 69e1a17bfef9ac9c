"""Process groups of our own over the ranks of a user's: nobody else's collectives wait in them."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from functools import partial
from pathlib import Path

import torch
import torch.distributed as dist
from torch._C._distributed_c10d import PrefixStore, ProcessGroupGloo
from torch.distributed.device_mesh import DeviceMesh

from lmgc_torch import _C
from lmgc_torch.together import timeout_of, together

# Ranks of each host, by place.
Hosts = list[list[int]]


def host_identity() -> str:
    """Equal where ranks reach each other without a network."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.stat('/proc/self/ns/net').st_ino}"
    except OSError:
        return socket.gethostname()


def group_by_host(ranks: Sequence[int], identities: Sequence[str]) -> Hosts:
    """Ranks of each host, in order; empty unless there are several hosts of equally many ranks."""
    hosts: dict[str, list[int]] = {}
    for rank, identity in zip(ranks, identities, strict=True):
        hosts.setdefault(identity, []).append(rank)
    return _two_levels(list(hosts.values()))


def given_hosts(hosts: DeviceMesh | Sequence[Sequence[int]], ranks: Sequence[int]) -> Hosts:
    """The user's, of global ranks; a mesh has hosts by row. Raises ValueError unless each of
    `ranks` is on one host, and all hosts have equally many."""
    rows: Hosts = hosts.mesh.tolist() if isinstance(hosts, DeviceMesh) else list(map(list, hosts))
    if isinstance(hosts, DeviceMesh) and hosts.mesh.dim() != 2:
        raise ValueError(f"hosts is a mesh of {hosts.mesh.dim()} dimensions; use (host, place)")
    if sorted(rank for row in rows for rank in row) != sorted(ranks):
        raise ValueError(f"hosts are {rows}; name each of the ranks {list(ranks)} once")
    if len({len(row) for row in rows}) != 1:
        raise ValueError(f"hosts are {rows}; each must have as many ranks as the others")
    return _two_levels(rows)


def _two_levels(hosts: Hosts) -> Hosts:
    sizes = {len(ranks) for ranks in hosts}
    return hosts if len(hosts) > 1 and len(sizes) == 1 and sizes != {1} else []


def payload_device(group: dist.ProcessGroup, device: torch.device) -> torch.device | None:
    """The GPU by which payloads of what is on `device` travel over NCCL, as what `group` sends of
    it does. None: they travel over gloo, as all that is not a payload.
    """
    if device.type != "cuda" or group.size() == 1:
        return None
    if torch.device("cuda") not in group._device_types:
        return None
    return device if group._get_backend(device).name() == "nccl" else None


def payload_backend(device: torch.device | None) -> str:
    """For people. `device`: see payload_device."""
    return "gloo" if device is None else "nccl"


def objects_by(device: torch.device | None) -> AbstractContextManager[None]:
    """While ranks send each other Python objects. NCCL takes those to the current GPU, which may
    be the same one on several ranks, and that it refuses. `device`: see payload_device.
    """
    return nullcontext() if device is None else torch.cuda.device(device)


def make_communicator(
    group: dist.ProcessGroup,
    token: str,
    hosts: Hosts,
    timeout: timedelta | None,
    device: torch.device | None,
    caller: str,
) -> _C.Communicator:
    """Over the ranks of `group`, which agree on `token`; a collective call.

    `timeout`: of an exchange; None: that of `group`. `device`: see payload_device. `caller`: who
    raises where a rank is missing.
    """
    ranks = dist.get_process_group_ranks(group)
    own = ranks[group.rank()]
    store = PrefixStore(f"lmgc_torch/{token}", group.get_group_store())

    def connect() -> list[tuple[dist.ProcessGroup, list[int]]]:
        return [
            (
                make_group(
                    group, PrefixStore(name, store), members.index(own), members, timeout, device
                ),
                members,
            )
            for name, members in _exchanges(ranks, own, hosts)
        ]

    exchanges = together(connect, group, PrefixStore("connecting", store), caller)
    return _C.Communicator(group, ranks, store, exchanges or [(group, ranks)], device)


def _exchanges(ranks: list[int], own: int, hosts: Hosts) -> list[tuple[str, list[int]]]:
    """A name and the ranks of each exchange that rank `own` takes part in, as Hook uses them."""
    if not hosts:
        return [(f"{i}", ranks) for i in range(min(len(ranks) - 1, 2))]
    (host,) = (i for i, members in enumerate(hosts) if own in members)
    place = hosts[host].index(own)
    local, across = hosts[host], [members[place] for members in hosts]
    return [
        (f"0/host {host}", local),
        (f"1/place {place}", across),
        (f"2/place {place}", across),
        (f"3/host {host}", local),
    ]


def make_planning_group(
    group: dist.ProcessGroup,
    token: str,
    timeout: timedelta | None,
    device: torch.device | None,
    caller: str,
) -> dist.ProcessGroup:
    """For what ranks agree on beside the communicator's exchanges."""
    store = PrefixStore(f"lmgc_torch/{token}/planning", group.get_group_store())
    ranks = dist.get_process_group_ranks(group)
    connect = partial(make_group, group, store, group.rank(), ranks, timeout, device)
    return together(connect, group, PrefixStore("connecting", store), caller)


def make_group(
    group: dist.ProcessGroup,
    store: PrefixStore,
    rank: int,
    members: Sequence[int],
    timeout: timedelta | None,
    device: torch.device | None = None,
) -> dist.ProcessGroup:
    """Gloo for host tensors and, if there is a `device`, NCCL for its own. Not dist.new_group,
    which names a group by how many a rank has, which may differ.
    """
    if timeout is None:
        timeout = timeout_of(group)
    own = dist.ProcessGroup(store, rank, len(members))
    kind = dist.ProcessGroup.BackendType.GLOO
    backend = ProcessGroupGloo(store, rank, len(members), timeout)
    own._register_backend(torch.device("cpu"), kind, backend)
    own._set_default_backend(kind)
    if device is not None:
        _add_nccl(own, PrefixStore("nccl", store), timeout, device)
    return own


def _add_nccl(
    own: dist.ProcessGroup, store: PrefixStore, timeout: timedelta, device: torch.device
) -> None:
    """Connects all its ranks at once: no exchange waits for that, which knows no timeout."""
    from torch._C._distributed_c10d import ProcessGroupNCCL  # not in a Torch without CUDA

    options = ProcessGroupNCCL.Options()
    options._timeout = timeout
    with _watchdog_off():
        backend = ProcessGroupNCCL(store, own.rank(), own.size(), options)
    own._register_backend(torch.device(device.type), dist.ProcessGroup.BackendType.NCCL, backend)
    byte_each = torch.zeros(own.size(), dtype=torch.uint8, device=device)
    own.alltoall_base(torch.empty_like(byte_each), byte_each, [], []).wait()


@contextmanager
def _watchdog_off() -> Iterator[None]:
    """NCCL groups made meanwhile leave errors and timeouts to who waits. Those with a watchdog end
    the process, before it could tell why.
    """
    name = "TORCH_NCCL_BLOCKING_WAIT"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
