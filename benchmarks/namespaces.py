"""Hosts in network namespaces of this machine, joined by a bridge and shaped with tc."""

from __future__ import annotations

import ctypes
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

INTERFACE = "eth0"  # of every host, in its own namespace
NAMESPACES = Path("/run/netns")
PREFIX = "lmgc"
NAME = re.compile(rf"{PREFIX}-(\d+)-\w+")
CLONE_NEWNET = 0x40000000
QUEUE_MS = 50
# Packets come in trains of up to 64 KB. The burst passes unshaped, so it is kept small: 0.2 ms of
# the link's rate, which is what timers still keep at 10 Gbit.
LEAST_BURST_BYTES = 16 * 1024
BURST_S = 0.2e-3
NETEM_PACKETS = 100_000


class NetworkError(RuntimeError):
    """Namespaces cannot be made or shaped here; tells why and what to do."""


@dataclass(frozen=True)
class Link:
    """Of each host to the bridge, in both directions."""

    mbit: float | None = None  # None: as fast as the kernel passes packets on
    delay_ms: float = 0.0  # one way
    loss: float = 0.0  # share of packets, 0 to 1

    def egress(self) -> list[list[str]]:
        """Arguments of `tc qdisc add dev DEVICE` that shape what a host sends."""
        rules = []
        if self.delay_ms or self.loss:
            netem = f"root handle 1: netem limit {NETEM_PACKETS}"
            rules.append(f"{netem} delay {self.delay_ms:g}ms loss {100 * self.loss:g}%".split())
        return rules + self.ingress("parent 1:" if rules else "root")

    def ingress(self, place: str = "root") -> list[list[str]]:
        """The same for what it receives: delay and loss are the sender's."""
        if self.mbit is None:
            return []
        burst = max(LEAST_BURST_BYTES, int(self.mbit * 1e6 / 8 * BURST_S))
        kbit = max(1, round(self.mbit * 1000))
        return [f"{place} tbf rate {kbit}kbit burst {burst} latency {QUEUE_MS}ms".split()]


def run(*command: str) -> str:
    """What the command printed.

    Raises:
        NetworkError: it failed; with what it said.
    """
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise NetworkError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def check_possible() -> None:
    """Raises NetworkError where namespaces cannot be made at all."""
    missing = [tool for tool in ("ip", "tc", "sysctl") if shutil.which(tool) is None]
    if missing:
        raise NetworkError(
            f"no {', '.join(missing)} here; install them (Debian: apt install iproute2 procps)"
        )
    if os.geteuid() != 0:
        raise NetworkError("network namespaces need root; run this as root, e.g. with sudo -E")


def remove_stale() -> None:
    """Removes namespaces of processes that were killed before they could."""
    for path in NAMESPACES.glob(f"{PREFIX}-*"):
        name = NAME.fullmatch(path.name)
        if name and not Path("/proc", name[1]).exists():
            run("ip", "netns", "del", path.name)


def enter(namespace: str) -> None:
    """Moves this thread, and those it starts from now on, into the namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    with (NAMESPACES / namespace).open() as file:
        if libc.setns(file.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"cannot enter namespace {namespace}")


class Network:
    """`hosts` namespaces, each with an address of its own; a context manager.

    All are removed at its end, however that comes; those of a killed process by the next Network.

    Raises:
        NetworkError: not root, tools are missing, or the kernel lacks what it needs.
    """

    def __init__(self, hosts: int) -> None:
        if not 1 <= hosts <= 250:
            raise ValueError(f"Network: {hosts} hosts, expected 1 to 250: they share a /24")
        self._switch = f"{PREFIX}-{os.getpid()}-switch"
        self.hosts = [f"{PREFIX}-{os.getpid()}-host{i}" for i in range(hosts)]

    def __enter__(self) -> Network:
        check_possible()
        remove_stale()
        try:
            self._build()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._remove()

    def address(self, host: int) -> str:
        return f"10.0.0.{host + 1}"

    def shape(self, link: Link) -> None:
        """Gives every host this link in place of the one before.

        Raises:
            NetworkError: the kernel has no netem for its delay and loss, or refuses the rate.
        """
        if (link.delay_ms or link.loss) and not self.has_netem():
            raise NetworkError(
                "this kernel has no netem, so no delay and no loss; use one with "
                "CONFIG_NET_SCH_NETEM, or shape the rate alone"
            )
        for i, host in enumerate(self.hosts):
            self._qdiscs(host, INTERFACE, link.egress())
            self._qdiscs(self._switch, f"port{i}", link.ingress())

    def has_netem(self) -> bool:
        try:
            run("tc", "-n", self._switch, "qdisc", "add", "dev", "lo", "root", "netem")
        except NetworkError:
            return False
        run("tc", "-n", self._switch, "qdisc", "del", "dev", "lo", "root")
        return True

    def sent_bytes(self) -> list[int]:
        """Of each host's interface since it was made, headers included: the kernel's counter."""
        return [self._sent_bytes(host) for host in self.hosts]

    @staticmethod
    def _sent_bytes(host: str) -> int:
        shown = json.loads(run("ip", "-n", host, "-s", "-j", "link", "show", INTERFACE))
        sent: int = shown[0]["stats64"]["tx"]["bytes"]
        return sent

    @staticmethod
    def _qdiscs(namespace: str, device: str, rules: Iterable[list[str]]) -> None:
        qdisc = ("tc", "-n", namespace, "qdisc")
        if "noqueue" not in run(*qdisc, "show", "dev", device, "root"):
            run(*qdisc, "del", "dev", device, "root")
        for rule in rules:
            run(*qdisc, "add", "dev", device, *rule)

    def _build(self) -> None:
        run("ip", "netns", "add", self._switch)
        inside = ("ip", "-n", self._switch, "link")
        run(*inside, "add", "bridge0", "type", "bridge", "mcast_snooping", "0")
        run(*inside, "set", "bridge0", "up")
        run(*inside, "set", "lo", "up")
        for i, host in enumerate(self.hosts):
            run("ip", "netns", "add", host)
            # No packets but the ranks'; the one TCP that every kernel lets a namespace choose, and
            # on links this short what cubic does too.
            settings = ("net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1",
                        "net.ipv4.tcp_congestion_control=reno")  # fmt: skip
            run("ip", "netns", "exec", host, "sysctl", "-q", "-e", "-w", *settings)
            peer = ("peer", "name", INTERFACE, "netns", host)
            run(*inside, "add", f"port{i}", "type", "veth", *peer)
            run(*inside, "set", f"port{i}", "master", "bridge0", "up")
            run("ip", "-n", host, "addr", "add", f"{self.address(i)}/24", "dev", INTERFACE)
            run("ip", "-n", host, "link", "set", INTERFACE, "up")
            run("ip", "-n", host, "link", "set", "lo", "up")

    def _remove(self) -> None:
        """A veth pair goes with either of its ends, and the bridge with its namespace."""
        for name in (*self.hosts, self._switch):
            if (NAMESPACES / name).exists():
                run("ip", "netns", "del", name)
