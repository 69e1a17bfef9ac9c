"""Scenarios of collectives on a GPU that two ranks share, next to what the CPU adds up."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist

import lmgc_torch
from ddp_collectives import FLOATS, SHAPES, UNSIGNED, error_of, own_tensor, same_bits, steps, sums
from ddp_compressed_group import power_sgd, trained
from ddp_fsdp import replicated, sharded
from lmgc_torch import collectives

GPU = "cuda:0"
INTEGERS = (torch.uint8, torch.int32, torch.int64)
FSDP_CASES = ("float32", "bfloat16", "not resharded")
Rights = dict[str, bool]
OPS = {"SUM": dist.ReduceOp.SUM, "AVG": dist.ReduceOp.AVG}


def everyones(shape: tuple[int, ...], dtype: torch.dtype, seed: int = 0) -> list[torch.Tensor]:
    return [own_tensor(shape, dtype, seed, rank) for rank in range(dist.get_world_size())]


def is_there(tensor: torch.Tensor, expected: torch.Tensor) -> bool:
    return str(tensor.device) == GPU and same_bits(tensor.cpu(), expected)


def reductions(rank: int) -> Rights:
    rights: Rights = {}

    def check(name: str, tensor: torch.Tensor, terms: list[torch.Tensor], op: str) -> None:
        layout = tensor.shape, tensor.stride()
        lmgc_torch.all_reduce(tensor, OPS[op])
        kept = (tensor.shape, tensor.stride()) == layout
        rights[name] = kept and is_there(tensor, sums(terms, op))

    for dtype in FLOATS + INTEGERS:
        for op in OPS if dtype.is_floating_point else ("SUM",):
            for shape in SHAPES:
                terms = everyones(shape, dtype)
                check(f"{op} {dtype} {shape}", terms[rank].to(GPU, copy=True), terms, op)
    terms = everyones((20, 30), torch.float32)
    own = terms[rank].to(GPU, copy=True)
    check("transposed", own.clone().t(), [term.t() for term in terms], "AVG")
    check("every other", own.clone()[:, ::2], [term[:, ::2] for term in terms], "SUM")
    check("leaf", own.clone().requires_grad_(), terms, "SUM")
    with torch.inference_mode():
        check("inference", own.clone(), terms, "AVG")
    return rights


def gathers_and_scatters(rank: int) -> Rights:
    rights: Rights = {}
    for dtype in (torch.float32, torch.bfloat16, *INTEGERS, *UNSIGNED):
        for shape in SHAPES:
            terms = everyones(shape, dtype)
            gathered = [torch.empty_like(term, device=GPU) for term in terms]
            lmgc_torch.all_gather(gathered, terms[rank].to(GPU, copy=True))
            rights[f"all_gather {dtype} {shape}"] = all(map(is_there, gathered, terms))
            # FSDP's input is a part of its output.
            joined = torch.empty((len(terms), *shape), dtype=dtype, device=GPU)
            joined[rank].copy_(terms[rank])
            lmgc_torch.all_gather_into_tensor(joined, joined[rank])
            rights[f"all_gather_into_tensor {dtype} {shape}"] = all(map(is_there, joined, terms))
    for dtype in FLOATS + INTEGERS:
        for shape in SHAPES:
            terms = everyones((2, *shape), dtype)
            expected = sums(terms, "SUM")[rank]
            parts = terms[rank].to(GPU, copy=True)
            outputs = [torch.empty(shape, dtype=dtype, device=GPU) for _ in range(2)]
            lmgc_torch.reduce_scatter(outputs[0], list(parts.unbind()))
            lmgc_torch.reduce_scatter_tensor(outputs[1], parts)
            rights[f"reduce_scatter {dtype} {shape}"] = all(
                is_there(output, expected) for output in outputs
            )
    return rights


def under_way(rank: int) -> Rights:
    """Many calls on a busy stream: they return at once, wait for it, and hold what they need."""
    terms = [everyones((2, 1 << 17), torch.float32, seed) for seed in range(6)]
    sources = [both[rank].to(GPU) for both in terms]
    stream = torch.cuda.Stream()
    rights: Rights = {}
    for turn in range(2):  # in the first they may have to wait for memory
        torch.cuda.synchronize()
        works, outputs = [], []
        with torch.cuda.stream(stream):
            torch.cuda._sleep(2_000_000_000)  # longer than a busy host takes to call
            asleep = torch.cuda.Event()
            asleep.record()
            for source in sources:
                own = source.clone()
                joined = torch.empty((2, *own.shape), device=GPU)
                part = torch.empty(own.shape[1], device=GPU)
                works += [
                    lmgc_torch.all_reduce(own, async_op=True),
                    lmgc_torch.all_gather_into_tensor(joined, source.clone(), async_op=True),
                    lmgc_torch.reduce_scatter(part, list(source.clone()), async_op=True),
                ]
                torch.full_like(source, torch.nan)  # in memory of theirs, if nobody held it
                outputs += [own, joined, part]
            early = not asleep.query() and not any(work.is_completed() for work in works)
            for work in reversed(works):
                assert work is not None
                work.wait()
            results = [output.clone() for output in outputs]  # right behind what was waited for
        stream.synchronize()
        rights[f"early {turn}"] = early or turn == 0
        for number, both in enumerate(terms):
            total = sums(both, "SUM")
            expected = [total, torch.stack(both), total[rank]]
            for result, right in zip(results[3 * number : 3 * number + 3], expected, strict=True):
                rights[f"{turn} {number} {tuple(right.shape)}"] = is_there(result, right)
    return rights


def with_history(rank: int) -> Rights:
    """The same payload bytes as on the CPU, fewer with each step."""
    everybodys = [steps(6, other) for other in range(dist.get_world_size())]
    expected = [sums(list(terms), "AVG") for terms in zip(*everybodys, strict=True)]
    rights: Rights = {}
    sizes: dict[str, list[int]] = {}
    for device in ("cpu", GPU):
        codec = lmgc_torch.Codec("fast", shapes=[(100, 120), (100,)])
        sizes[device] = []
        for turn, own in enumerate(everybodys[rank]):
            tensor = own.to(device, copy=True)
            before = lmgc_torch.collective_counters().payload_bytes
            lmgc_torch.all_reduce(tensor, dist.ReduceOp.AVG, codec=codec)
            sizes[device].append(lmgc_torch.collective_counters().payload_bytes - before)
            rights[f"{device} {turn}"] = same_bits(tensor.cpu(), expected[turn])
    rights[f"sizes {sizes}"] = sizes["cpu"] == sizes[GPU] and sizes[GPU][1] < 0.9 * sizes[GPU][0]
    codec = lmgc_torch.Codec("fast", shapes=[(100, 120), (100,)])
    tensors = [own.to(GPU, copy=True) for own in everybodys[rank]]
    works = [
        lmgc_torch.all_reduce(tensor, dist.ReduceOp.AVG, async_op=True, codec=codec)
        for tensor in tensors
    ]
    for work in works:
        assert work is not None
        work.wait()
    rights["under way"] = all(map(is_there, tensors, expected))
    return rights


def callbacks(rank: int) -> Rights:
    """Of a call's future, before and after its end; one waits for a later call."""
    terms = everyones((1 << 18,), torch.float32)
    twice = [2 * term for term in everyones((1 << 18,), torch.float32)]
    rights: Rights = {}
    for name in ("before", "after"):
        tensor, later = terms[rank].to(GPU, copy=True), terms[rank].to(GPU, copy=True)
        work = lmgc_torch.all_reduce(tensor, async_op=True)
        assert work is not None
        if name == "after":
            work.wait()

        def again(
            future: torch.futures.Future[list[torch.Tensor]], later: torch.Tensor = later
        ) -> torch.Tensor:
            doubled = future.value()[0] * 2
            lmgc_torch.all_reduce(later)
            return doubled + later

        result = work.get_future().then(again).wait()
        rights[name] = is_there(result, sums(twice, "SUM") + sums(terms, "SUM"))
    return rights


def alone(rank: int) -> Rights:
    """Ranks that are groups by themselves."""
    group = [dist.new_group([other]) for other in range(dist.get_world_size())][rank]
    own = own_tensor((300, 7), torch.float32)
    tensor, joined = own.to(GPU).t(), torch.empty(2100, device=GPU)
    lmgc_torch.all_reduce(tensor, dist.ReduceOp.AVG, group)
    work = lmgc_torch.all_gather_into_tensor(joined, own.to(GPU), group, async_op=True)
    assert work is not None
    work.wait()
    return {"sum": is_there(tensor, own.t()), "all": is_there(joined, own.flatten())}


def errors(rank: int) -> Rights:
    """Told to all ranks, and the next call goes on."""

    def ones(*shape: int, device: str = GPU) -> torch.Tensor:
        return torch.ones(*shape, device=device)

    elsewhere = "cpu" if rank == 1 else GPU
    gather = lmgc_torch.all_gather_into_tensor
    calls: dict[str, Callable[[], object]] = {
        "rank 1 failed: inputs and outputs must be on one device, got cpu and cuda:0": lambda: (
            gather(ones(8), ones(4, device=elsewhere))
        ),
        "must be on one device, got cuda:0 and cpu": lambda: lmgc_torch.reduce_scatter(
            ones(4), [ones(4), ones(4, device="cpu")]
        ),
        "all_reduce SUM of Float [4] by fast": lambda: lmgc_torch.all_reduce(ones(4 + rank)),
        "ReduceOp MAX is not supported": lambda: lmgc_torch.all_reduce(ones(4), dist.ReduceOp.MAX),
    }
    rights: Rights = {}
    for text, call in calls.items():
        error = error_of(call)
        rights[f"{text}: {error}"] = text in error
        tensor = ones(5)
        lmgc_torch.all_reduce(tensor)
        rights[f"after {text}"] = is_there(tensor, torch.full((5,), 2.0))
    return rights


def compressed_group(rank: int) -> Rights:
    group = lmgc_torch.CompressedGroup()
    terms = everyones((2, 500), torch.float32)
    own, total = terms[rank].to(GPU, copy=True), sums(terms, "AVG")
    before = lmgc_torch.collective_counters().buckets
    tensor, part = own.clone(), torch.empty(500, device=GPU)
    joined, most = torch.empty(4, 500, device=GPU), own.clone()
    dist.all_reduce(tensor, dist.ReduceOp.AVG, group)
    dist.reduce_scatter_tensor(part, own, dist.ReduceOp.AVG, group)
    work = dist.all_gather_into_tensor(joined, own, group, async_op=True)
    assert work is not None
    work.wait()
    by_us = lmgc_torch.collective_counters().buckets - before
    dist.all_reduce(most, dist.ReduceOp.MAX, group)
    rights = {
        "all_reduce": is_there(tensor, total),
        "reduce_scatter_tensor": is_there(part, total[rank]),
        "all_gather_into_tensor": is_there(joined, torch.cat(terms)),
        "passed on": is_there(most, torch.stack(terms).amax(0)),
        f"{by_us} calls": by_us == 3,
    }
    for name, attach in {"ddp": lambda ddp, group: None, "power_sgd": power_sgd}.items():
        arguments = {"process_group": group} if name == "ddp" else {}
        expected = trained(attach, dist.group.WORLD, GPU)
        rights[name] = all(map(torch.equal, expected, trained(attach, group, GPU, **arguments)))
    return rights


PARTS = (
    reductions,
    gathers_and_scatters,
    under_way,
    with_history,
    callbacks,
    alone,
    errors,
    compressed_group,
)


def outcome(part: Callable[[int], Rights], rank: int) -> Rights:
    try:
        return part(rank)
    except Exception:
        return {traceback.format_exc(): False}


def gpu_collectives(rank: int) -> dict[str, Any]:
    report: dict[str, Any] = {part.__name__: outcome(part, rank) for part in PARTS}
    made = collectives._communicators[dist.group.WORLD]
    report["payloads over"] = sorted(str(device) for device in made)
    return report


def gpu_fsdp(rank: int) -> dict[str, Any]:
    return {
        "fsdp": sharded(rank, "cuda", FSDP_CASES),
        "hsdp": replicated(rank, "cuda", FSDP_CASES),
    }
