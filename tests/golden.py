"""Golden payloads: `make golden` writes those that are missing and never rewrites one.

Changed bytes mean a new format version (docs/format.md).
"""

import json
from pathlib import Path

import torch

import lmgc_torch

FOLDER = Path(__file__).parent / "golden"
PLANES = ("float32", "float16", "bfloat16", "float64", "uint8", "int32", "int64")


def golden_tensor(case: dict[str, object]) -> torch.Tensor:
    """Values [count] that any machine makes alike: integer arithmetic, then exact conversions.

    They repeat after `period` values.
    """
    state, values = 12345, []
    count = int(str(case["count"]))
    for i in range(count):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        values.append(((state >> 40) - 2**23) * 2.0 ** -(20 + i % 9))
    period = int(str(case["period"]))
    values = [values[i % period] for i in range(count)]
    dtype: torch.dtype = getattr(torch, str(case["dtype"]))
    tensor = torch.tensor(values, dtype=torch.float64)
    if dtype.is_floating_point:
        return tensor.to(dtype)
    return (tensor * 16).to(torch.int64).to(dtype)


def write_missing() -> None:
    """Writes the payloads that do not exist yet, and the list of all."""
    listing = FOLDER / "payloads.json"
    cases = json.loads(listing.read_text()) if listing.exists() else {}
    for dtype in PLANES:
        cases.setdefault(f"planes-{dtype}", {"dtype": dtype, "count": 777, "period": 777})
    for name, options in (
        ("paper-hex-space", {}),
        ("paper-iso8859", {"serialization": "iso8859", "byte_order": "little"}),
        ("paper-hex-0x-windows", {"serialization": "hex-0x", "bytes_per_group": 2, "window": 400}),
    ):
        cases[name] = {"dtype": "bfloat16", "count": 96, "period": 5, "options": options}
    for name, case in cases.items():
        path = FOLDER / f"{name}.bin"
        if not path.exists():
            codec = lmgc_torch.Codec(name.split("-")[0], **case.get("options", {}))
            path.write_bytes(codec.encode(golden_tensor(case)).numpy().tobytes())
            print(f"wrote {path.name}")
    listing.write_text(json.dumps(cases, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    write_missing()
