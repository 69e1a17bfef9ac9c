"""Scenarios of lmgc_torch's collectives, next to what torch.distributed's tensors add up to."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist

import lmgc_torch
from ddp_training import Special, bits
from ddp_wire import in_order

FLOATS = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
INTEGERS = (torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64)
UNSIGNED = (torch.uint16, torch.uint32, torch.uint64)
SHAPES = ((37, 21), (500,), (), (0, 3), (1,), (3, 5, 7))
Report = dict[str, Any]


def own_tensor(
    shape: tuple[int, ...], dtype: torch.dtype, seed: int = 0, rank: int | None = None
) -> torch.Tensor:
    """This rank's, or that of `rank`."""
    rank = dist.get_rank() if rank is None else rank
    random = torch.Generator().manual_seed(1000 * rank + seed)
    if dtype.is_floating_point:
        return torch.randn(shape, generator=random).to(dtype)
    return torch.randint(0, 100, shape, generator=random).to(dtype)


def everyones(tensor: torch.Tensor) -> list[torch.Tensor]:
    """By bytes: gloo knows few dtypes."""
    own = tensor.detach().contiguous().flatten().view(torch.uint8)
    everyone = [torch.empty_like(own) for _ in range(dist.get_world_size())]
    dist.all_gather(everyone, own)
    return [other.view(tensor.dtype).view(tensor.shape) for other in everyone]


def same_bits(one: torch.Tensor, other: torch.Tensor) -> bool:
    return torch.equal(bits(one.flatten()), bits(other.flatten()))


def sums(terms: list[torch.Tensor], op: str) -> torch.Tensor:
    return in_order([term / len(terms) if op == "AVG" else term for term in terms])


def reduces(tensor: torch.Tensor, op: str, **arguments: Any) -> bool:
    expected = sums(everyones(tensor), op)
    shape, stride = tensor.shape, tensor.stride()
    assert lmgc_torch.all_reduce(tensor, getattr(dist.ReduceOp, op), **arguments) is None
    assert (tensor.shape, tensor.stride()) == (shape, stride)
    return same_bits(tensor, expected)


def collectives(rank: int) -> Report:
    return {"right": every_collective(rank), "history": with_history()}


def every_collective(rank: int) -> dict[str, bool]:
    """Whether each gives the bits that it should, for each dtype and shape."""
    count = dist.get_world_size()
    report: dict[str, bool] = {}
    for dtype in FLOATS + INTEGERS:
        for op in ("SUM", "AVG") if dtype.is_floating_point else ("SUM",):
            report[f"all_reduce {op} {dtype}"] = all(
                reduces(own_tensor(shape, dtype), op) for shape in SHAPES
            )
    for preset in ("balanced", "max"):
        report[f"all_reduce {preset}"] = reduces(
            own_tensor((90, 80), torch.float32), "AVG", codec=preset
        )
    report["transposed"] = reduces(own_tensor((20, 30), torch.float32).t(), "AVG")
    report["every other"] = reduces(own_tensor((20, 30), torch.float32)[:, ::2], "SUM")
    report["leaf"] = reduces(own_tensor((20, 30), torch.float32).requires_grad_(), "SUM")
    with torch.inference_mode():
        report["inference"] = reduces(own_tensor((20, 30), torch.float32), "SUM")
    values = torch.tensor(Special.VALUES + Special.ODD).repeat_interleave(11)
    values = values if rank == 0 else values.view(11, 11).t().flatten()
    for op in ("SUM", "AVG"):
        for dtype in (torch.float32, torch.float64):
            report[f"special {op} {dtype}"] = reduces(values.to(dtype), op)

    for dtype in FLOATS + INTEGERS + UNSIGNED:
        good = True
        for shape in SHAPES:
            own = own_tensor(shape, dtype)
            expected = everyones(own)
            gathered = [torch.empty_like(own) for _ in range(count)]
            lmgc_torch.all_gather(gathered, own)
            joined = torch.empty((count, *shape), dtype=dtype)
            lmgc_torch.all_gather_into_tensor(joined, own)
            good = good and all(map(same_bits, gathered, expected))
            good = good and all(map(same_bits, joined, expected))
        report[f"all_gather {dtype}"] = good
    for dtype in FLOATS + INTEGERS:
        for op in ("SUM", "AVG") if dtype.is_floating_point else ("SUM",):
            good = True
            for shape in SHAPES:
                parts = [own_tensor(shape, dtype, seed) for seed in range(count)]
                expected = sums(everyones(torch.stack(parts)), op)[rank]
                outputs = [torch.empty(shape, dtype=dtype) for _ in range(2)]
                reduce = getattr(dist.ReduceOp, op)
                lmgc_torch.reduce_scatter(outputs[0], parts, reduce)
                lmgc_torch.reduce_scatter_tensor(outputs[1], torch.stack(parts), reduce)
                good = good and all(same_bits(output, expected) for output in outputs)
            report[f"reduce_scatter {op} {dtype}"] = good
    report["overlap"] = overlap(count)
    report["group"] = in_a_group(rank)
    return report


def overlap(count: int) -> bool:
    """Many calls under way, waited for in the reverse order."""
    works, pairs = [], []
    for seed in range(8):
        tensor = own_tensor((50, 40 + seed), torch.float32, seed)
        total = sums(everyones(tensor), "SUM")
        joined = torch.empty(count, *tensor.shape)
        expected = torch.stack(everyones(tensor))
        part = torch.empty(50)
        parts = own_tensor((count, 50), torch.float32, seed)
        scattered = sums(everyones(parts), "SUM")[dist.get_rank()]
        works.append(lmgc_torch.all_gather_into_tensor(joined, tensor.clone(), async_op=True))
        works.append(lmgc_torch.all_reduce(tensor, async_op=True))
        works.append(lmgc_torch.reduce_scatter_tensor(part, parts, async_op=True))
        pairs += [(joined, expected), (tensor, total), (part, scattered)]
    for work in reversed(works):
        assert isinstance(work, dist.Work)
        work.wait()
        assert work.is_completed()
    outputs = [work.get_future().value()[0] for work in works]
    held = all(
        out.data_ptr() == one.data_ptr() for out, (one, _) in zip(outputs, pairs, strict=True)
    )
    return held and all(same_bits(*pair) for pair in pairs)


def in_a_group(rank: int) -> bool:
    """Of the last rank and the first, in a call that other ranks make too."""
    ranks = [0, dist.get_world_size() - 1]
    group = dist.new_group(ranks)
    tensor = torch.full((9,), float(rank + 1))
    lmgc_torch.all_reduce(tensor, group=group)
    return torch.equal(tensor, torch.full((9,), float(ranks[1] + 2 if rank in ranks else rank + 1)))


def steps(count: int, rank: int | None = None) -> list[torch.Tensor]:
    """Gradients of a matrix that has few directions, and of a bias; this rank's, or of `rank`."""
    shared = torch.Generator().manual_seed(7)
    own = torch.Generator().manual_seed(dist.get_rank() if rank is None else rank)
    directions = torch.randn(8, 120, generator=shared)
    return [
        torch.cat(
            [
                (torch.randn(100, 8, generator=own) @ directions).flatten(),
                torch.randn(100, generator=own),
            ]
        )
        for _ in range(count)
    ]


def with_history() -> Report:
    """Payload bytes of each step, when each waits for the one before and when all are under way."""
    shapes = [(100, 120), (100,)]
    expected = [sums(everyones(tensor), "AVG") for tensor in steps(6)]
    report: Report = {}
    for name in ("waited", "under way"):
        codec = lmgc_torch.Codec("fast", shapes=shapes)
        tensors = steps(6)
        start = lmgc_torch.collective_counters().payload_bytes
        sent, works = [0], []
        for tensor in tensors:
            works.append(
                lmgc_torch.all_reduce(tensor, dist.ReduceOp.AVG, async_op=True, codec=codec)
            )
            if name == "waited":
                works[-1].wait()
                sent.append(lmgc_torch.collective_counters().payload_bytes - start)
        for work in works:
            work.wait()
        total = lmgc_torch.collective_counters().payload_bytes - start
        sizes = [after - before for before, after in itertools.pairwise(sent)]
        same = all(map(same_bits, tensors, expected))
        report[name] = {"same": same, "sizes": sizes, "total": total}
        own = steps(1)[0]
        gathered = [torch.empty_like(own) for _ in range(dist.get_world_size())]
        lmgc_torch.all_gather(gathered, own, codec=codec)
        report[name]["gathered"] = all(map(same_bits, gathered, everyones(own)))
    return report


def error_of(action: Callable[[], object]) -> str:
    try:
        action()
    except RuntimeError as error:
        return str(error)
    return "no error"


def collective_errors(rank: int) -> Report:
    """What some ranks cannot do, or do otherwise, and whether the next call is right."""
    last = rank == dist.get_world_size() - 1
    ones, reduce, avg = torch.ones, lmgc_torch.all_reduce, dist.ReduceOp.AVG
    shapes = [(3, 4)] if last else [(4, 3)]
    longer = ones(2 * dist.get_world_size())
    calls: dict[str, Callable[[], object]] = {
        "sizes": lambda: reduce(ones(5 if last else 4)),
        "shapes": lambda: reduce(ones((3, 4) if last else (4, 3))),
        "dtypes": lambda: reduce(ones(4, dtype=torch.int32 if last else torch.float32)),
        "ops": lambda: reduce(ones(4), avg if last else dist.ReduceOp.SUM),
        "presets": lambda: reduce(ones(4), codec="max" if last else "fast"),
        "codec": lambda: reduce(ones(12), avg, codec=lmgc_torch.Codec("fast", shapes=shapes)),
        "kinds": lambda: (
            reduce(ones(4))
            if last
            else lmgc_torch.all_gather_into_tensor(ones(4 * dist.get_world_size()), ones(4))
        ),
        "no preset": lambda: reduce(ones(4), codec="quick" if last else "fast"),
        "complex": lambda: reduce(ones(4, dtype=torch.complex64 if last else torch.float32)),
        "sparse": lambda: reduce(ones(4, 4).to_sparse() if last else ones(4, 4)),
        "meta": lambda: reduce(ones(4, device="meta" if last else "cpu")),
        "bool": lambda: reduce(ones(4, dtype=torch.bool)),
        "unsigned": lambda: reduce(ones(4, dtype=torch.uint16)),
        "integer average": lambda: reduce(ones(4, dtype=torch.int64), avg),
        "max": lambda: reduce(ones(4), dist.ReduceOp.MAX),
        "parts": lambda: lmgc_torch.all_gather([ones(4)] * 7, ones(4)),
        "history of parts": lambda: lmgc_torch.reduce_scatter_tensor(
            ones(2), longer, codec=lmgc_torch.Codec("fast", shapes=[(64, 64)])
        ),
        "integer history": lambda: reduce(
            ones(64, 64, dtype=torch.int32), codec=lmgc_torch.Codec("fast", shapes=[(64, 64)])
        ),
        "values": lambda: reduce(ones(5), codec=lmgc_torch.Codec("fast", shapes=[(64, 64)])),
    }
    report: Report = {}
    for name, call in calls.items():
        error = error_of(call)
        report[name] = {"error": error, "next": reduces(ones(4, 5), "SUM")}
    return {"calls": report, "other histories": other_histories(rank)}


def other_histories(rank: int) -> list[str]:
    """One rank's codec has observed what the others' have not: nobody goes on after that."""
    codec = lmgc_torch.Codec("fast", shapes=[(100, 120), (100,)])
    first, second, third = steps(3)
    lmgc_torch.all_reduce(first, dist.ReduceOp.AVG, codec=codec)
    if rank == 0:
        codec.observe(first)
    return [
        error_of(
            lambda tensor=tensor: lmgc_torch.all_reduce(tensor, dist.ReduceOp.AVG, codec=codec)
        )
        for tensor in (second, third)
    ]


def collective_gone(rank: int) -> Report:
    """Rank 1 ends between two calls; then the others' group is destroyed, and another made."""
    lmgc_torch.all_reduce(torch.ones(5))
    if rank == 1:
        return {}
    start = time.monotonic()
    report: Report = {"error": error_of(lambda: lmgc_torch.all_reduce(torch.ones(5)))}
    report["seconds"] = time.monotonic() - start
    dist.destroy_process_group()
    report["destroyed"] = "no error"
    try:
        lmgc_torch.all_reduce(torch.ones(5))
    except ValueError as error:
        report["destroyed"] = str(error)
    os.environ.pop("MASTER_ADDR", None)
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    report["alone"] = [
        reduces(own_tensor((4, 5), torch.float32), "AVG"),
        error_of(lambda: lmgc_torch.all_reduce(torch.ones(5, dtype=torch.complex64))),
        reduces(own_tensor((4, 5), torch.float32), "SUM"),
    ]
    return report
