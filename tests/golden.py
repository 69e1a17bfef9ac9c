"""Golden payloads: `make golden` writes those that are missing and never rewrites one.

Changed bytes mean a new format version (docs/format.md).
"""

from pathlib import Path
from typing import Any

import torch

import lmgc_torch
from lmgc_torch import stages

FOLDER = Path(__file__).parent / "golden"
Case = dict[str, Any]


def _cases() -> dict[str, Case]:
    cases: dict[str, Case] = {}
    for dtype in ("float32", "float16", "bfloat16", "float64", "uint8", "int32", "int64"):
        cases[f"fast-{dtype}"] = {"dtype": dtype, "shape": [777]}
    for dtype in ("float32", "bfloat16"):
        cases[f"balanced-rows-above-{dtype}"] = {"dtype": dtype, "shape": [64, 66]}
    for preset in ("fast", "balanced", "max"):
        for dtype in ("float32", "bfloat16"):
            cases[f"{preset}-history-{dtype}"] = {"dtype": dtype, "shape": [72, 65], "observed": 3}
    for name, options in (
        ("paper-hex-space", {}),
        ("paper-iso8859", {"serialization": "iso8859", "byte_order": "little"}),
        ("paper-hex-0x-windows", {"serialization": "hex-0x", "bytes_per_group": 2, "window": 400}),
        ("paper-temperature", {"temperature": 2.7}),
    ):
        cases[name] = {"dtype": "bfloat16", "shape": [96], "period": 5, "options": options}
    for name, stage in (
        ("paper-levels-8", stages.Quantize(8)),
        ("paper-levels-4-row", stages.Quantize(4, scale="row")),
        ("paper-sparse-top", stages.TopK(share=0.1)),
    ):
        cases[name] = {"dtype": "float32", "shape": [24, 9], "options": {"stages": [stage]}}
    for prior in ("mixture", "experts"):
        for dtype in ("float32", "bfloat16"):
            cases[f"paper-prior-{prior}-{dtype}"] = {
                "dtype": dtype,
                "shape": [72, 65] if prior == "experts" else [300],
                "period": 2000 if prior == "experts" else 60,
                "options": {"prior": prior, "window": 300},
            }
    for name, stage in (
        ("fast-levels-8", stages.Quantize(8)),
        ("max-levels-4-row", stages.Quantize(4, scale="row")),
        ("fast-levels-2-block-stochastic", stages.Quantize(2, "block", "stochastic", 100)),
        ("fast-levels-sign", stages.Sign()),
        ("fast-sparse-top", stages.TopK(share=0.02)),
        ("fast-sparse-random", stages.RandomK(share=0.05)),
    ):
        options = {"stages": [stage]}
        cases[name] = {"dtype": "float32", "shape": [72, 65], "observed": 3, "options": options}
    options = {"stages": [stages.Quantize(4, scale="row")]}
    rows = {"dtype": "float32", "shape": [130, 72], "period": 31 * 72, "observed": 1}
    cases["max-levels-4-row-mixed"] = rows | {"options": options}
    return cases


CASES = _cases()


def golden_tensor(case: Case, seed: int = 12345) -> torch.Tensor:
    """Values that any machine makes alike: integer arithmetic, then exact conversions.

    They repeat after `period` values; those of a matrix depend on others of their row and column.
    """
    state, values = seed, []
    rows, columns = case["shape"] if len(case["shape"]) == 2 else (1, case["shape"][0])
    for i in range(rows * columns):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        noise = (state >> 40) - 2**23
        if rows > 1:
            noise += ((i // columns * 5) % 7 - 3) * ((i % columns * 3) % 5 - 2) * 2**22
        values.append(noise * 2.0 ** -(20 + i % columns % 9))
    period = case.get("period", len(values))
    values = [values[i % period] for i in range(len(values))]
    dtype: torch.dtype = getattr(torch, case["dtype"])
    tensor = torch.tensor(values, dtype=torch.float64)
    if dtype.is_floating_point:
        return tensor.to(dtype)
    return (tensor * 16).to(torch.int64).to(dtype)


def golden_codec(name: str, case: Case) -> lmgc_torch.Codec:
    """The codec that wrote a case."""
    codec = lmgc_torch.Codec(name.split("-")[0], shapes=[case["shape"]], **case.get("options", {}))
    for step in range(case.get("observed", 0)):
        codec.observe(golden_tensor(case, seed=step))
    return codec


def golden_values(name: str, case: Case) -> torch.Tensor:
    """What the payload of a case holds."""
    tensor = golden_tensor(case)
    staged = "stages" in case.get("options", {})
    return golden_codec(name, case).stage(tensor).values if staged else tensor


def write_missing() -> None:
    """Writes the payloads that do not exist yet."""
    for name, case in CASES.items():
        path = FOLDER / f"{name}.bin"
        if not path.exists():
            payload = golden_codec(name, case).encode(golden_tensor(case))
            path.write_bytes(payload.numpy().tobytes())
            print(f"wrote {path.name}")


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    write_missing()
