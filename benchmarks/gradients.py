"""Gradients to compress, collected as the paper did: nets are trained, gradients kept on the way.

The paper trains ConvNet, VGG-16, ResNet-18 and ViT on MNIST, CIFAR-10 and TinyImageNet; these are
small relatives of its nets, on the digits that scikit-learn ships, enlarged to 16 x 16. One
thread and fixed seeds: the same machine gives the same gradients.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor, nn

SIDE = 16
CLASSES = 10
BATCH = 64
STEPS = 200
KEPT_STEPS = (50, 100, 150, 200)

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Recording:
    """Gradients of one net over its training."""

    net: str
    gradients: Floats  # [kept steps, values]; parameters flattened one after another
    final_loss: float

    def sample(self, values: int) -> Floats:
        """float32 [values]: a contiguous run from each kept step, at seeded offsets."""
        steps, available = self.gradients.shape
        lengths = [values // steps + (i < values % steps) for i in range(steps)]
        generator = np.random.default_rng(7)
        runs = []
        for gradient, length in zip(self.gradients, lengths, strict=True):
            if length > available:
                raise ValueError(f"{self.net}: {length} of {available} values a step")
            offset = int(generator.integers(available - length + 1))
            runs.append(gradient[offset : offset + length])
        return np.concatenate(runs)


def convolution(inputs: int, outputs: int, stride: int = 1) -> list[nn.Module]:
    conv = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
    return [conv, nn.BatchNorm2d(outputs), nn.ReLU()]


def conv_net(width: int = 32) -> nn.Module:
    """The paper's ConvNet: three blocks of convolution, instance norm, ReLU, average pooling."""
    layers: list[nn.Module] = []
    for inputs in (1, width, width):
        norm = nn.GroupNorm(width, width)
        layers += [nn.Conv2d(inputs, width, 3, padding=1), norm, nn.ReLU(), nn.AvgPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(width * (SIDE // 8) ** 2, CLASSES))


def vgg() -> nn.Module:
    layers: list[nn.Module] = []
    channels = 1
    for widths in ((16, 16), (32, 32), (64, 64)):
        for width in widths:
            layers += convolution(channels, width)
            channels = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * (SIDE // 8) ** 2, CLASSES))


class Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*convolution(width, width), *convolution(width, width)[:2])

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.body(x))


def resnet() -> nn.Module:
    layers: list[nn.Module] = []
    for inputs, width, stride in ((1, 16, 1), (16, 32, 2), (32, 64, 2)):
        layers += [*convolution(inputs, width, stride), Residual(width)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, CLASSES))


class VisionTransformer(nn.Module):
    def __init__(self, width: int = 64, depth: int = 3, patch: int = 4) -> None:
        super().__init__()
        self.embed = nn.Conv2d(1, width, patch, patch)
        self.position = nn.Parameter(torch.randn((SIDE // patch) ** 2, width) * 0.02)
        layer = nn.TransformerEncoderLayer(
            width, 4, 2 * width, 0.0, F.gelu, batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)
        self.head = nn.Linear(width, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        patches = self.embed(x).flatten(2).transpose(1, 2)
        logits: Tensor = self.head(self.blocks(patches + self.position).mean(1))
        return logits


NETS: dict[str, Callable[[], nn.Module]] = {
    "ConvNet": conv_net,
    "VGG": vgg,
    "ResNet": resnet,
    "ViT": VisionTransformer,
}


def digits() -> tuple[Tensor, Tensor]:
    """Images [1797, 1, 16, 16] of mean 0 and deviation 1, labels [1797]."""
    images, labels = load_digits(return_X_y=True)
    small = torch.from_numpy(images).float().view(-1, 1, 8, 8)
    large = F.interpolate(small, size=(SIDE, SIDE), mode="bilinear", align_corners=False)
    return (large - large.mean()) / large.std(), torch.from_numpy(labels).long()


def optimizer_of(name: str, net: nn.Module) -> torch.optim.Optimizer:
    """The paper's: AdamW for ViT, SGD with momentum for the others."""
    if name == "ViT":
        return torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=0.1)
    return torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)


@contextmanager
def one_thread() -> Iterator[None]:
    """More threads are no faster on nets this small, and their number would change bits."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@one_thread()
def record(name: str) -> Recording:
    """Trains the net `name` and keeps the gradients of KEPT_STEPS; seconds on 2 cores."""
    torch.manual_seed(1)
    images, labels = digits()
    net = NETS[name]()
    optimizer = optimizer_of(name, net)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    kept = []
    final_loss = math.nan
    for step in range(1, STEPS + 1):
        batch = torch.randint(0, len(images), (BATCH,))
        optimizer.zero_grad()
        loss = F.cross_entropy(net(images[batch]), labels[batch])
        loss.backward()  # type: ignore[no-untyped-call]
        if step in KEPT_STEPS:
            gradients = [p.grad.flatten() for p in net.parameters() if p.grad is not None]
            kept.append(torch.cat(gradients).numpy())
        optimizer.step()
        schedule.step()
        final_loss = loss.item()
    return Recording(name, np.stack(kept), final_loss)
