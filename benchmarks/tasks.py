"""What the recorded sequences are trained on: nets, their data and their optimizers.

Images are scikit-learn's digits, text is the bytes of Python's own library: nothing is downloaded.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gradients import CLASSES, Residual, VisionTransformer, convolution, digits

Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Task:
    """A net in training. Its batches are drawn from torch's generator."""

    net: nn.Module
    optimizer: torch.optim.Optimizer
    draw: Callable[[], Batch]

    def backward(self) -> float:
        """Leaves the gradient of a new batch in the net; its loss."""
        inputs, targets = self.draw()
        self.optimizer.zero_grad()
        logits = self.net(inputs)
        loss = F.cross_entropy(logits.flatten(0, -2), targets.flatten())
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.item()


class Gpt(nn.Module):
    def __init__(self, width: int, heads: int, layers: int, context: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(256, width)
        self.position = nn.Parameter(torch.randn(context, width) * 0.02)
        layer = nn.TransformerEncoderLayer(
            width, heads, 4 * width, 0.0, F.gelu, batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.head = nn.Linear(width, 256)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(context))

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.blocks(self.embed(x) + self.position, mask=self.mask, is_causal=True)
        logits: Tensor = self.head(hidden)
        return logits


class Lstm(nn.Module):
    def __init__(self, width: int = 256, layers: int = 2) -> None:
        super().__init__()
        self.embed = nn.Embedding(256, width)
        self.recurrent = nn.LSTM(width, width, layers, batch_first=True)
        self.head = nn.Linear(width, 256)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.recurrent(self.embed(x))[0])
        return logits


def batches(images: Tensor, labels: Tensor, size: int) -> Callable[[], Batch]:
    def draw() -> Batch:
        chosen = torch.randint(0, len(images), (size,))
        return images[chosen], labels[chosen]

    return draw


def library_text(pattern: str, size: int, context: int) -> Callable[[], Batch]:
    """Batches [size, context] of bytes of the library's files, and the bytes that follow."""
    files = sorted(Path(os.__file__).parent.glob(pattern))
    text = torch.tensor(bytearray(b"".join(file.read_bytes() for file in files))).long()

    def draw() -> Batch:
        starts = torch.randint(0, len(text) - context, (size,))
        block = torch.stack([text[start : start + context + 1] for start in starts])
        return block[:, :-1], block[:, 1:]

    return draw


def momentum(net: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(net.parameters(), 0.05, momentum=0.9, weight_decay=5e-4)


def residual_net() -> Task:
    """0.4M parameters on coloured, noisy digits of 32 x 32."""
    layers: list[nn.Module] = []
    for inputs, width, stride in ((3, 32, 1), (32, 64, 2), (64, 128, 2)):
        layers += [*convolution(inputs, width, stride), Residual(width)]
    net = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, CLASSES))
    images, labels = digits()
    large = F.interpolate(images, size=(32, 32), mode="bilinear", align_corners=False)
    color = torch.tensor([1.0, 0.6, 0.8]).view(1, 3, 1, 1)
    noisy = large * color + torch.randn(len(images), 3, 32, 32) * 0.2
    return Task(net, momentum(net), batches(noisy, labels, 32))


def vision_transformer() -> Task:
    """1.2M parameters, 64 patches an image."""
    net = VisionTransformer(width=192, depth=4, patch=2)
    optimizer = torch.optim.AdamW(net.parameters(), lr=5e-4, weight_decay=0.1)
    return Task(net, optimizer, batches(*digits(), 32))


def perceptron() -> Task:
    """0.4M parameters. Units that are idle for a whole batch give real zeros."""
    images, labels = digits()
    flat = (images + torch.randn(images.shape) * 0.2).flatten(1)
    net = nn.Sequential(
        nn.Linear(flat.shape[1], 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(),
        nn.Linear(512, CLASSES),
    )  # fmt: skip
    return Task(net, momentum(net), batches(flat, labels, 32))


def recurrent_net() -> Task:
    """1.2M parameters, 1,024 bytes a step."""
    net = Lstm()
    optimizer = torch.optim.AdamW(net.parameters(), 2e-3)
    return Task(net, optimizer, library_text("*.py", 16, 64))


def small_gpt() -> Task:
    """0.7M parameters on little text: at 2,500 steps it knows it by heart."""
    net = Gpt(width=128, heads=4, layers=3, context=64)
    optimizer = torch.optim.AdamW(net.parameters(), 1e-3)
    return Task(net, optimizer, library_text("asyncio/*.py", 16, 64))


def gpt() -> Task:
    """12.9M parameters, 2,048 bytes a step."""
    net = Gpt(width=512, heads=8, layers=4, context=128)
    optimizer = torch.optim.AdamW(net.parameters(), 3e-4)
    return Task(net, optimizer, library_text("*.py", 16, 128))


# Each with the steps whose gradients are to be coded: so many updates came before.
TASKS: dict[str, tuple[Callable[[], Task], tuple[int, ...]]] = {
    "mlp": (perceptron, (300,)),
    "resnet": (residual_net, (80, 400)),
    "vit": (vision_transformer, (300,)),
    "lstm": (recurrent_net, (300,)),
    "gpt128": (small_gpt, (150, 2500)),
    "gpt512": (gpt, (100, 1000)),
}
