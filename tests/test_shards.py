"""A tensor cut into shards, each coded by itself: every value is in one of them, bit for bit."""

import pytest
import torch

import lmgc_torch
from lmgc_torch import _C
from lmgc_torch.history import make_histories

SHAPES = [(300, 40), (7,), (5000,), (90, 700), (3, 2), (64, 16, 3, 3), (0,), (1, 2500)]
VALUES = sum(torch.Size(shape).numel() for shape in SHAPES)


def gradient(step: int, dtype: torch.dtype) -> torch.Tensor:
    """With rows and columns that predict each other."""
    generator = torch.Generator().manual_seed(step)
    parts = []
    for index, shape in enumerate(SHAPES):
        size = torch.Size(shape)
        rows, columns = size[0], size.numel() // max(size[0], 1)
        fixed = torch.Generator().manual_seed(100 + index)
        left = torch.randn(rows, 8, generator=fixed)
        right = torch.randn(8, columns, generator=fixed)
        middle = torch.randn(8, 8, generator=generator)
        noise = torch.randn(rows, columns, generator=generator)
        parts.append((left @ middle @ right + 0.1 * noise).flatten())
    return torch.cat(parts).to(dtype)


def learned(preset: str, dtype: torch.dtype, steps: int) -> list[_C.Parameter]:
    histories = make_histories(preset, SHAPES)
    parameters = [_C.Parameter(s, h) for s, h in zip(SHAPES, histories, strict=True)]
    for step in range(steps):
        _C.observe(gradient(step, dtype), parameters)
    return parameters


def cut(parameters: list[_C.Parameter], count: int, slack: int = 500) -> list[_C.Shard]:
    """By numbers of values."""
    rooms = [VALUES * (k + 1) // count - VALUES * k // count for k in range(count)]
    return _C.cut(parameters, _C.values_of_tiles(parameters), rooms, slack)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("preset", ["fast", "max"])
@pytest.mark.parametrize("count", [3, 8])
@pytest.mark.parametrize("steps", [0, 4])
def test_shards_decode_to_the_tensor(
    dtype: torch.dtype, preset: str, count: int, steps: int
) -> None:
    codec = lmgc_torch.Codec(preset)._codec
    values = gradient(9, dtype)
    senders = cut(learned(preset, dtype, steps), count)
    receivers = cut(learned(preset, dtype, steps), count)
    assert sum(shard.values for shard in senders) == VALUES
    decoded = torch.full_like(values, torch.nan)
    size = 0
    for sender, receiver in zip(senders, receivers, strict=True):
        assert abs(sender.values - VALUES / count) < 500 + 700
        payload = codec.encode(sender.gather(values), sender.parameters)
        part = torch.empty(receiver.values, dtype=dtype)
        codec.decode_into(payload, part, receiver.parameters)
        receiver.scatter(part, decoded)
        size += payload.numel()
    assert torch.equal(decoded.view(torch.uint8), values.view(torch.uint8))
    if steps == 0 and preset == "fast":  # else rows of a cut tile miss those of its other part
        whole = codec.encode(values, learned(preset, dtype, steps)).numel()
        assert size < 1.02 * whole + 64 * count


def test_a_shard_of_another_history_is_refused() -> None:
    codec = lmgc_torch.Codec()._codec
    sender, *_ = cut(learned("fast", torch.float32, 4), 3)
    receiver, *_ = cut(learned("fast", torch.float32, 3), 3)
    payload = codec.encode(sender.gather(gradient(9, torch.float32)), sender.parameters)
    with pytest.raises(lmgc_torch.PayloadError, match="coded with history"):
        codec.decode_into(payload, torch.empty(receiver.values), receiver.parameters)


def test_few_values_leave_shards_empty() -> None:
    shards = _C.cut([_C.Parameter([2])], [2], [1, 1, 0, 0], 0)
    assert [shard.values for shard in shards] == [1, 1, 0, 0]
    values = torch.tensor([1.0, 2.0])
    codec = lmgc_torch.Codec()._codec
    assert codec.decode(codec.encode(shards[2].gather(values), shards[2].parameters)).numel() == 0
    assert torch.equal(torch.cat([shard.gather(values) for shard in shards]), values)


@pytest.mark.parametrize("preset", ["fast", "balanced"])
@pytest.mark.parametrize("count", [3, 8])
def test_shards_by_what_tiles_took_have_payloads_of_one_length(preset: str, count: int) -> None:
    """Of values that differ in rate: those of some parameters have few bits, or none. Under
    `balanced` a part of a tile is predicted from its own rows alone, so parts differ too."""

    def uneven(step: int) -> torch.Tensor:
        parts = gradient(step, torch.float32).split([torch.Size(s).numel() for s in SHAPES])
        few = [part.bfloat16().float() for part in parts]
        return torch.cat([parts[0], few[1], parts[2] * 0, few[3], *parts[4:]])

    codec = lmgc_torch.Codec(preset)._codec
    parameters = learned(preset, torch.float32, 0)
    weights = _C.values_of_tiles(parameters)
    assert sum(weights) == VALUES
    largest = []
    for step in range(2):
        rooms = [sum(weights) // count] * count
        shards = _C.cut(parameters, weights, rooms, rooms[0] // 64)
        weights = [1] * len(weights)
        sizes = []
        for shard in shards:
            payload = codec.encode(shard.gather(uneven(step)), shard.parameters)
            bytes_ = codec.bytes_of_parameters(payload, shard.parameters)
            assert 0 <= payload.numel() - sum(bytes_) < 100 + 12 * len(bytes_)  # header and table
            for tile, size in zip(shard.tiles, bytes_, strict=True):
                weights[tile] += size
            sizes.append(payload.numel())
        largest.append(max(sizes) / sum(sizes) * count)
    assert largest[0] > 1.1
    assert largest[1] - 1 < (0.05 if preset == "fast" else 0.7 * (largest[0] - 1))
