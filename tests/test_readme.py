"""README's rates are those of the committed results."""

import json
import statistics
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
COLUMNS = (  # codec and past steps, in the table's order
    ("fast", 10),
    ("balanced", 10),
    ("max", 10),
    ("fast", 0),
    ("max", 0),
    ("lzma, bytes shuffled", 0),
    ("pco", 0),
    ("blosc2 zstd-9 shuffle", 0),
    ("zipnn", 0),
    ("zstd-19", 0),
)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_table_of_rates_is_the_results(dtype: str) -> None:
    cells = json.loads((ROOT / "benchmarks/results/rates.json").read_text())["cells"]
    means = []
    for codec, past in COLUMNS:
        wanted = {"dtype": dtype, "codec": codec, "past": past, "step": 0, "parameter": None}
        rates = [
            cell["payload_bytes"] / cell["raw_bytes"]
            for cell in cells
            if wanted.items() <= cell["key"].items()
        ]
        assert len(rates) == 9
        means.append(statistics.mean(rates))
    lines = (ROOT / "README.md").read_text().splitlines()
    row = next(line for line in lines if line.startswith(f"| {dtype} |"))
    told = [float(cell.strip(" *")) for cell in row.strip("|").split("|")[1:]]
    assert told == pytest.approx(means, abs=0.0005001)
