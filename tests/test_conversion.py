"""From a GGUF file to scores, against the float model that the file holds."""

from pathlib import Path

import gguf
import pytest
import torch

from lmgc_torch.conversion import convert
from lmgc_torch.model import load_language_model
from random_gguf import float_scores, random_weights, stored, write_gguf

Kind = gguf.GGMLQuantizationType


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LMGC_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize(
    "kind", [Kind.F32, Kind.F16, Kind.BF16, Kind.Q8_0, Kind.Q4_0, Kind.Q4_1, Kind.Q5_0, Kind.Q5_1]
)
def test_scores_follow_the_float_model(tmp_path: Path, kind: gguf.GGMLQuantizationType) -> None:
    weights = random_weights(seed=3)
    model = load_language_model(write_gguf(tmp_path / "model.gguf", weights, kind))
    tokens = torch.randint(0, 258, (300,), generator=torch.Generator().manual_seed(0))
    everything = model.readout(torch.arange(258, dtype=torch.int32))
    scores = model.extend(model.cache(1, 300), tokens[None].to(torch.int32), everything)[0]
    ours = (scores.double() / 65536).log_softmax(1)
    floats = float_scores(stored(weights, kind), tokens).log_softmax(1)
    entropy = -(floats.exp() * floats).sum(1).mean()
    divergence = (floats.exp() * (floats - ours)).sum(1).mean()
    assert 0 <= divergence < 0.002 * entropy


def test_fingerprints_tell_models_apart(tmp_path: Path) -> None:
    prints = {
        convert(write_gguf(tmp_path / f"{seed}.gguf", random_weights(seed))).fingerprint
        for seed in (1, 2, 3)
    }
    assert len(prints) == 3
    again = convert(write_gguf(tmp_path / "again.gguf", random_weights(1)))
    assert again.fingerprint in prints


def test_other_architectures_and_stray_tensors_are_refused(tmp_path: Path) -> None:
    weights = random_weights(1)
    with pytest.raises(ValueError, match="general.architecture is 'qwen2'; supported: 'llama'"):
        convert(write_gguf(tmp_path / "a.gguf", weights, architecture="qwen2"))
    stray = {**weights, "blk.0.attn_q.bias": weights["output_norm.weight"]}
    with pytest.raises(ValueError, match="attn_q.bias is not part of a plain Llama model"):
        convert(write_gguf(tmp_path / "b.gguf", stray))
    del weights["blk.1.ffn_up.weight"]
    with pytest.raises(ValueError, match="blk.1.ffn_up.weight is missing"):
        convert(write_gguf(tmp_path / "c.gguf", weights))
