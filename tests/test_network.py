"""The benchmark's namespaces carry gloo, count what is sent, and are gone afterwards."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from namespaces import INTERFACE, NAMESPACES, Link, Network, NetworkError
from network_rank import VALUES

HOSTS, RANKS_PER_HOST = 2, 2
RANKS = HOSTS * RANKS_PER_HOST
RANK = Path(__file__).with_name("network_rank.py")


def why_not() -> str:
    try:
        with Network(1):
            return ""
    except NetworkError as error:
        return str(error)


REASON = why_not()
pytestmark = pytest.mark.skipif(bool(REASON), reason=REASON)


def namespaces() -> set[str]:
    return {path.name for path in NAMESPACES.glob(f"lmgc-{os.getpid()}-*")}


def shown_in(namespace: str, *command: str) -> str:
    inside = ("ip", "netns", "exec", namespace, *command)
    return subprocess.run(inside, capture_output=True, text=True, check=True).stdout


def test_ranks_of_two_hosts_sum_and_the_kernel_counts_their_bytes(tmp_path: Path) -> None:
    path = os.pathsep.join(filter(None, sys.path))
    environment = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    with Network(HOSTS) as network:
        network.shape(Link(mbit=1000.0))
        assert network.sent_bytes() == [0, 0]
        ranks = [
            subprocess.Popen(
                ["ip", "netns", "exec", network.hosts[rank // RANKS_PER_HOST], sys.executable,
                 str(RANK), str(rank), str(RANKS), str(tmp_path)],
                env=environment,
            )
            for rank in range(RANKS)
        ]  # fmt: skip
        try:
            codes = [process.wait(90) for process in ranks]
        finally:
            for process in ranks:
                process.kill()
                process.wait()
        sent = network.sent_bytes()
    assert codes == [0] * RANKS
    for rank in range(RANKS):
        total = torch.load(tmp_path / f"sum{rank}.pt")
        assert torch.equal(total, torch.full((VALUES,), float(sum(range(RANKS)))))
    raw_bytes = VALUES * 4
    for host_bytes in sent:  # a ring crosses each link once each way
        assert raw_bytes < host_bytes < 4 * raw_bytes
    assert not namespaces()


def test_links_are_shaped_both_ways_and_anew() -> None:
    with Network(2) as network:
        for mbit, rate in ((10.0, "10Mbit"), (2500.0, "2500Mbit")):
            network.shape(Link(mbit))
            switch = next(name for name in namespaces() if name.endswith("switch"))
            ports = [(switch, "port0"), (switch, "port1")]
            for namespace, device in (*((host, INTERFACE) for host in network.hosts), *ports):
                shown = shown_in(namespace, "tc", "qdisc", "show", "dev", device)
                assert shown.count("qdisc") == 1 and f" rate {rate} " in shown
        network.shape(Link())
        assert "tbf" not in shown_in(network.hosts[0], "tc", "qdisc", "show", "dev", INTERFACE)


def test_delay_is_there_or_refused_by_name() -> None:
    with Network(2) as network:
        link = Link(mbit=100.0, delay_ms=5.0, loss=0.001)
        if network.has_netem():
            network.shape(link)
            shown = shown_in(network.hosts[0], "tc", "qdisc", "show", "dev", INTERFACE)
            assert "netem" in shown and "tbf" in shown
        else:
            with pytest.raises(NetworkError, match="no netem"):
                network.shape(link)


def test_nothing_is_left_after_an_exception() -> None:
    with pytest.raises(KeyboardInterrupt), Network(3):
        assert len(namespaces()) == 4
        raise KeyboardInterrupt
    assert not namespaces()


def test_what_a_killed_process_left_is_removed() -> None:
    lines = "import os, signal\nfrom namespaces import Network\n"
    lines += "with Network(2):\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen([sys.executable, "-c", lines], env=environment) as process:
        process.wait(60)
        left = {path.name for path in NAMESPACES.glob(f"lmgc-{process.pid}-*")}
    assert len(left) == 3
    with Network(1):
        assert not left & {path.name for path in NAMESPACES.iterdir()}
