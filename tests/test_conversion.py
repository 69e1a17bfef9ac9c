"""From a GGUF file to scores, against the float model that the file holds."""

from pathlib import Path

import gguf
import numpy as np
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


K_BLOCKS = {
    # Bytes of a block of 256 values, and where its float16 scales are.
    Kind.Q2_K: (84, (80, 82)),
    Kind.Q3_K: (110, (108,)),
    Kind.Q4_K: (144, (0, 2)),
    Kind.Q5_K: (176, (0, 2)),
    Kind.Q6_K: (210, (208,)),
}


@pytest.mark.parametrize("kind", K_BLOCKS)
def test_k_quants_convert_as_the_values_they_hold(
    tmp_path: Path, kind: gguf.GGMLQuantizationType
) -> None:
    weights = random_weights(1)
    size, scales = K_BLOCKS[kind]
    blocks = np.random.default_rng(2).integers(0, 256, (64, size), dtype=np.uint8)
    for at in scales:
        blocks[:, at : at + 2] = np.linspace(0.001, 0.01, 64).astype("<f2")[:, None].view(np.uint8)
    name = "blk.1.ffn_down.weight"
    stored = write_gguf(tmp_path / "k.gguf", weights, blocks={name: (blocks, kind)})
    weights[name] = gguf.quants.dequantize(blocks, kind)
    assert weights[name].shape == (64, 256)
    assert weights[name].std() > 0
    floats = write_gguf(tmp_path / "floats.gguf", weights)
    assert convert(stored).fingerprint == convert(floats).fingerprint


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"tokenizer.ggml.model": "bert"}, "model is 'bert'; supported: 'gpt2' or 'llama'"),
        ({"llama.rope.scaling.type": "yarn"}, "is 'yarn'; supported: 'none' or 'linear'"),
        ({"llama.expert_count": 8}, "llama.expert_count is 8; supported: 0"),
        ({"llama.rope.dimension_count": 8}, "rope.dimension_count is 8; supported: 16"),
        ({"llama.attention.value_length": 8}, "attention.value_length is 8; supported: 16"),
        ({"split.count": 2}, "split.count is 2; supported: 1"),
        ({"tokenizer.ggml.eos_token_id": 258}, "eos_token_id is 258; supported: .* 0 to 257"),
    ],
)
def test_what_the_engine_lacks_is_refused_by_name(
    tmp_path: Path, fields: dict[str, str | int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        convert(write_gguf(tmp_path / "a.gguf", random_weights(1), fields=fields))


def test_other_architectures_and_stray_tensors_are_refused(tmp_path: Path) -> None:
    weights = random_weights(1)
    known = "'gemma'; supported: llama, qwen2, qwen3, gpt2"
    with pytest.raises(ValueError, match=f"general.architecture is {known}"):
        convert(write_gguf(tmp_path / "a.gguf", weights, architecture="gemma"))
    stray = {**weights, "blk.0.attn_sinks.weight": weights["output_norm.weight"]}
    with pytest.raises(ValueError, match="blk.0.attn_sinks.weight is not part of the families"):
        convert(write_gguf(tmp_path / "b.gguf", stray))
    wrong = {**weights, "output_norm.weight": weights["output_norm.weight"][:63]}
    with pytest.raises(ValueError, match=r"output_norm.weight is \[63\], expected \[64\]"):
        convert(write_gguf(tmp_path / "c.gguf", wrong))
    del weights["blk.1.ffn_up.weight"]
    with pytest.raises(ValueError, match="blk.1.ffn_up.weight is missing"):
        convert(write_gguf(tmp_path / "d.gguf", weights))


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    good = write_gguf(tmp_path / "good.gguf", random_weights(1)).read_bytes()
    bad = tmp_path / "bad.gguf"
    for size in (0, 3, 20, 100, 1000, 5000, len(good) // 2, len(good) - 4):
        bad.write_bytes(good[:size])
        with pytest.raises(ValueError, match="bad.gguf: not a readable GGUF file"):
            convert(bad)
    endless = bytearray(good)
    length = good.index(b"tokenizer.ggml.token_type") + len("tokenizer.ggml.token_type") + 8
    endless[length : length + 8] = (2**60).to_bytes(8, "little")
    bad.write_bytes(endless)
    with pytest.raises(ValueError, match="bad.gguf: not a readable GGUF file"):
        convert(bad)
