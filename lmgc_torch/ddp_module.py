"""What a DDP module must be for its gradients to be averaged, and what of it ranks agree on."""

from __future__ import annotations

from dataclasses import asdict

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from lmgc_torch.codec import Codec
from lmgc_torch.groups import payload_backend, payload_device
from lmgc_torch.handshake import installation

__all__ = ["check_module", "facts_of", "group_of", "parameters_of"]

_DEVICES = ("cpu", "cuda")
_DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64)


def group_of(ddp: object) -> dist.ProcessGroup:
    if not isinstance(ddp, DistributedDataParallel):
        raise TypeError(
            "lmgc_torch.register: expected a torch.nn.parallel.DistributedDataParallel, got "
            f"{type(ddp).__name__}; wrap the model first: ddp = DistributedDataParallel(model)"
        )
    group: dist.ProcessGroup = ddp.process_group
    if not dist.is_initialized() or dist.get_rank(group) < 0:
        raise RuntimeError(
            "lmgc_torch.register: DDP's process group was destroyed; call "
            "dist.init_process_group() and wrap the model again"
        )
    return group


def parameters_of(ddp: DistributedDataParallel) -> list[tuple[str, torch.nn.Parameter]]:
    return [
        (name, parameter)
        for name, parameter in ddp.module.named_parameters()
        if parameter.requires_grad and name not in ddp.parameters_to_ignore
    ]


def check_module(ddp: DistributedDataParallel) -> None:
    logged = ddp.logger._get_ddp_logging_data().strs_map if ddp.logger is not None else {}
    hook = logged.get("comm_hook")
    if hook or ddp._comm_hooks:
        raise RuntimeError(
            f"DDP has a communication hook already ({hook or 'a Python hook'}) and takes only one; "
            "register lmgc_torch once, on a fresh DistributedDataParallel"
        )
    if ddp._use_python_reducer:
        raise RuntimeError(
            "DDP's Python reducer runs no C++ hooks; set torch._dynamo.config.optimize_ddp to "
            "another mode than 'python_reducer'"
        )
    for name, parameter in parameters_of(ddp):
        if parameter.device.type not in _DEVICES:
            raise RuntimeError(
                f"parameter {name} is on {parameter.device}; supported are {', '.join(_DEVICES)}"
            )
        if parameter.dtype not in _DTYPES:
            raise TypeError(
                f"parameter {name} has dtype {parameter.dtype}, supported are "
                f"{', '.join(map(str, _DTYPES))}; convert it, freeze it with "
                "requires_grad_(False), or exclude it from DDP"
            )


def facts_of(ddp: DistributedDataParallel, codec: Codec) -> dict[str, str]:
    """What must be equal on all ranks."""
    facts = installation() | {"model fingerprint": codec.fingerprint or "none"}
    facts |= {name: repr(value) for name, value in asdict(codec.options).items()}
    facts["stages"] = repr(codec.options.stages)
    device = payload_device(ddp.process_group, ddp.device)
    facts["payloads over"] = payload_backend(device)
    for name, parameter in parameters_of(ddp):
        facts[f"parameter {name}"] = f"{parameter.dtype} {list(parameter.shape)}"
    return facts
