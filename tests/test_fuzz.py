"""The fuzz target, with sanitizers, on its corpus: what `make fuzz` found stays found."""

import subprocess
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
REPLAY = TESTS.parent / "build" / "replay" / "tests" / "fuzz" / "fuzz_payload"
CORPUS = TESTS / "fuzz" / "corpus"


@pytest.mark.skipif(not REPLAY.exists(), reason="the fuzz target is not built; use `make test`")
def test_corpus_replays_without_a_finding() -> None:
    folders = [CORPUS, TESTS / "golden"]
    done = subprocess.run([REPLAY, *folders], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    count = sum(
        path.is_file() for folder in (CORPUS, TESTS / "golden") for path in folder.iterdir()
    )
    assert done.stdout.strip() == f"replayed {count} inputs"
