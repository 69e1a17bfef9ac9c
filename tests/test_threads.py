"""Nothing that codes keeps more threads busy than the user allows."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("thread_program.py")
#: What torch.set_num_threads is told, and OMP_NUM_THREADS.
ALLOWED = [("1", "4"), ("3", "5"), ("default", "1"), ("default", "2")]


def busy_threads(preset: str, threads: str, **environment: str) -> dict[str, int]:
    done = subprocess.run(
        [sys.executable, PROGRAM, preset, threads],
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    counts: dict[str, int] = json.loads(done.stdout)
    print(preset, threads, environment, counts)
    return counts


@pytest.mark.parametrize(
    ("preset", "threads", "omp_num_threads"),
    [
        *((preset, threads, omp) for preset in ("fast", "paper") for threads, omp in ALLOWED),
        ("max", "3", "5"),
    ],
)
def test_no_more_than_allowed_are_busy(preset: str, threads: str, omp_num_threads: str) -> None:
    counts = busy_threads(preset, threads, OMP_NUM_THREADS=omp_num_threads)
    allowed = counts.pop("allowed")
    assert allowed == int(omp_num_threads if threads == "default" else threads)
    assert max(counts.values()) <= allowed, counts
    assert counts["encode"] == counts["encode elsewhere"] == allowed, counts
    assert counts["decode"] == counts["decode elsewhere"] == allowed, counts
