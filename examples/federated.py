"""Clients with data of their own train a model by federated averaging, updates compressed.

    python examples/federated.py [--rounds 12] [--clients 4] [--preset max]

Each round a client sends what its local steps changed, and the server sends back the mean of that.
Everybody learns from the means, which everybody has, so later rounds take fewer bytes; the last
client joins before round 4 and takes over the server's history. The model must end with the bits of
the same training without compression. Needs scikit-learn and rich.
"""

from __future__ import annotations

import argparse
import sys

import torch
import torch.nn.functional as F
from rich import box
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_digits
from torch import Tensor, nn

import lmgc_torch

LOCAL_STEPS, BATCH = 8, 32
JOINS = 4  # the round before which the last client comes


class Client:
    """One of those who train, on its share of the digits."""

    def __init__(self, number: int, clients: int, preset: str | None) -> None:
        images, labels = load_digits(return_X_y=True)
        self.images = torch.from_numpy(images[number::clients]).float() / 16
        self.labels = torch.from_numpy(labels[number::clients]).long()
        self.drawing = torch.Generator().manual_seed(number)
        self.codec = codec_for(preset)

    def update(self, weights: Tensor) -> Tensor:
        """What local steps from `weights` change."""
        net = network()
        nn.utils.vector_to_parameters(weights.clone(), net.parameters())
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        for _ in range(LOCAL_STEPS):
            batch = torch.randint(0, len(self.images), (BATCH,), generator=self.drawing)
            optimizer.zero_grad()
            loss = F.cross_entropy(net(self.images[batch]), self.labels[batch])
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        return nn.utils.parameters_to_vector(net.parameters()).detach() - weights

    def accuracy(self, weights: Tensor) -> float:
        net = network()
        nn.utils.vector_to_parameters(weights.clone(), net.parameters())
        return float((net(self.images).argmax(1) == self.labels).float().mean())


def network() -> nn.Module:
    return nn.Sequential(
        nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10)
    )


def codec_for(preset: str | None) -> lmgc_torch.Codec | None:
    """A client's or the server's: all are alike, and observe the same means."""
    if preset is None:
        return None
    return lmgc_torch.Codec(preset, shapes=[p.shape for p in network().parameters()])


def train(options: argparse.Namespace, preset: str | None, table: Table | None) -> Tensor:
    """The weights after all rounds; `preset` None: nothing is compressed."""
    torch.manual_seed(0)
    weights = nn.utils.parameters_to_vector(network().parameters()).detach()
    server = codec_for(preset)
    clients: list[Client] = []
    for number in range(1, options.rounds + 1):
        present = options.clients if number >= JOINS else max(1, options.clients - 1)
        while len(clients) < present:
            clients.append(Client(len(clients), options.clients, preset))
            if server is not None and clients[-1].codec is not None:
                clients[-1].codec.load_state_dict(server.state_dict())

        updates, sent = [], 0
        for client in clients:
            update = client.update(weights)
            if server is not None and client.codec is not None:
                payload = client.codec.encode(update)  # the client sends this
                update = server.decode(payload)
                sent += payload.numel()
            updates.append(update)
        mean = torch.stack(updates).mean(0)

        received = 0
        if server is not None:
            payload = server.encode(mean)  # the server sends this to every client
            received = payload.numel()
            for client in clients:
                if client.codec is not None:
                    mean = client.codec.decode(payload)
                    client.codec.observe(mean)
            server.observe(mean)
        weights = weights + mean
        if table is not None:
            accuracy = sum(client.accuracy(weights) for client in clients) / len(clients)
            rates = (sent / len(clients) / mean.nbytes, received / mean.nbytes)
            row = (number, len(clients), f"{accuracy:.3f}", *(f"{rate:.3f}" for rate in rates))
            table.add_row(*(str(cell) for cell in row))
    return weights


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--preset", choices=("fast", "balanced", "max"), default="max")
    options = parser.parse_args()

    console = Console()
    columns = ("round", "clients", "accuracy", "sent / raw", "received / raw")
    table = Table(*columns, title=f"preset {options.preset}", box=box.SIMPLE_HEAD)
    with console.status("Training"):
        compressed = train(options, options.preset, table)
        plain = train(options, None, None)
    console.print(table)
    equal = torch.equal(compressed.view(torch.int32), plain.view(torch.int32))
    verdict = "[green]equal bit for bit[/]" if equal else "[red]NOT equal[/]"
    console.print(
        f"Weights after {options.rounds} rounds, with and without compression: {verdict}."
    )
    return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main())
