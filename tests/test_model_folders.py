"""Hugging Face folders and the hub's cache: what is read, and what is refused by name."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from lmgc_torch.conversion import convert
from lmgc_torch.model import find_model
from lmgc_torch.models.hf_tokenizer import folder_byte_tokens
from random_families import FAMILIES, change_json, random_family, vocabulary, write_folder

LLAMA, GPT2 = FAMILIES[0], FAMILIES[-1]
INDEX = "model.safetensors.index.json"


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """In one file; the vocabulary is SentencePiece's."""
    folder = tmp_path_factory.mktemp("llama") / "model"
    return write_folder(folder, LLAMA, random_family(LLAMA), shard_bytes=2**30)


@pytest.fixture
def folder(llama: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(llama, tmp_path / "model"))


def change_tensors(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    tensors = safetensors.torch.load_file(folder / "model.safetensors")
    change(tensors)
    safetensors.torch.save_file(tensors, folder / "model.safetensors")


def test_one_file_is_as_good_as_several(llama: Path, tmp_path: Path) -> None:
    several = write_folder(tmp_path / "several", LLAMA, random_family(LLAMA))
    assert len(list(several.glob("model-*.safetensors"))) > 2
    assert convert(several).fingerprint == convert(llama).fingerprint


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_types_hold_what_they_say(folder: Path, dtype: torch.dtype) -> None:
    change_tensors(folder, lambda t: t.update({name: v.to(dtype) for name, v in t.items()}))
    halves = convert(folder).fingerprint
    change_tensors(folder, lambda t: t.update({name: v.float() for name, v in t.items()}))
    assert convert(folder).fingerprint == halves


def test_older_folders_are_read_alike(llama: Path, folder: Path, tmp_path: Path) -> None:
    """rope_theta and rope_scaling instead of rope_parameters, and buffers beside the weights."""

    def older(config: dict[str, Any]) -> None:
        config["rope_theta"] = config.pop("rope_parameters")["rope_theta"]
        config["rope_scaling"] = None

    change_json(folder / "config.json", older)
    buffer = "model.layers.0.self_attn.rotary_emb.inv_freq"
    change_tensors(folder, lambda t: t.update({buffer: torch.ones(8)}))
    assert convert(folder).fingerprint == convert(llama).fingerprint

    gpt2 = write_folder(tmp_path / "gpt2", GPT2, random_family(GPT2), shard_bytes=2**30)
    fingerprint = convert(gpt2).fingerprint

    def short_names(tensors: dict[str, Any]) -> None:
        for name in list(tensors):
            tensors[name.removeprefix("transformer.")] = tensors.pop(name)
        tensors["h.0.attn.bias"] = torch.ones(1, 1, 4, 4)

    change_json(gpt2 / "tokenizer.json", lambda v: v["model"].pop("type"))
    change_tensors(gpt2, short_names)
    assert convert(gpt2).fingerprint == fingerprint


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "gemma3"}, "model_type is 'gemma3'; supported: llama, mistral, qwen2"),
        ({"hidden_act": "gelu"}, "hidden_act is 'gelu'; supported: 'silu'"),
        ({"quantization_config": {"bits": 4}}, "quantization_config is .*; supported: none"),
        ({"rope_parameters": {"rope_type": "yarn"}}, "rope_type is 'yarn'; supported: 'default'"),
        ({"rope_parameters": {"full": {}}}, "supported: one set of parameters for all layers"),
        ({"rope_parameters": {"partial_rotary_factor": 0.5}}, "partial_rotary_factor is 0.5"),
        (
            {"rope_parameters": {"rope_theta": 0.5}},
            "rope_theta is 0.5, expected .* of at least 1",
        ),
        ({"rope_parameters": {"rope_type": "linear"}}, "factor is missing"),
        ({"hidden_size": -1}, "hidden_size is -1; supported: an integer, 1 to 65536"),
        ({"num_hidden_layers": 10**9}, "num_hidden_layers is 1000000000; supported"),
        ({"num_key_value_heads": 3}, r"k_proj.weight is \[32, 64\], expected \[48, 64\]"),
        ({"rms_norm_eps": "small"}, "rms_norm_eps is 'small', expected a number above 0"),
        ({"vocab_size": 300}, "outside the vocabulary of 300"),
        ({"bos_token_id": 400}, "bos_token_id is 400; supported"),
        ({"num_hidden_layers": 1}, "layers.1.input_layernorm.weight is not part of"),
    ],
)
def test_configurations_are_refused_by_name(
    folder: Path, change: dict[str, Any], message: str
) -> None:
    change_json(folder / "config.json", lambda config: config.update(change))
    with pytest.raises(ValueError, match=message):
        convert(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("model.norm.weight"), "tensor model.norm.weight is missing"),
        (lambda t: t.pop("lm_head.weight"), "lm_head.weight is missing, and tie_word_embeddings"),
        (lambda t: t.update({"model.rest": torch.ones(2)}), "model.rest is not part of"),
        (lambda t: t["model.norm.weight"].fill_(torch.nan), "model.norm.weight holds NaN"),
        (
            lambda t: t.update({"model.norm.weight": torch.ones(64).to(torch.float8_e4m3fn)}),
            "model.norm.weight is F8_E4M3; supported: F32, F16, BF16",
        ),
    ],
)
def test_tensors_are_refused_by_name(
    folder: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    change_tensors(folder, change)
    with pytest.raises(ValueError, match=message):
        convert(folder)


def test_files_are_refused_by_name(folder: Path) -> None:
    weights = folder / "model.safetensors"
    data = weights.read_bytes()
    for size in (0, 7, 100, len(data) - 1):
        weights.write_bytes(data[:size])
        with pytest.raises(ValueError, match="not a safetensors file"):
            convert(folder)
    weights.unlink()
    with pytest.raises(FileNotFoundError, match="has no model.safetensors; needed: config.json"):
        convert(folder)
    for name, message in (("../model.safetensors", "expected a file of this folder"), (3, "3")):
        (folder / INDEX).write_text("{}")
        change_json(folder / INDEX, lambda v, name=name: v.update(weight_map={"a": name}))
        with pytest.raises(ValueError, match=message):
            convert(folder)
    for text, message in (("{}", "weight_map is missing"), ("[" * 10**5, "not readable as JSON")):
        (folder / INDEX).write_text(text)
        with pytest.raises(ValueError, match=message):
            convert(folder)


def test_tokenizers_are_refused_by_name(folder: Path) -> None:
    file = folder / "tokenizer.json"
    whole = file.read_text()
    for change, message in (
        (lambda v: v["model"].update(type="Unigram"), "model is 'Unigram'; supported: 'BPE'"),
        (lambda v: v["model"].update(byte_fallback=False), "neither a ByteLevel decoder nor"),
        (lambda v: v["model"]["vocab"].update(a="b"), "token 'a' is 'b', outside the vocabulary"),
        (lambda v: v["model"].update(vocab={"a": 1}), "bytes need 256"),
    ):
        file.write_text(whole)
        change_json(file, change)
        with pytest.raises(ValueError, match=message):
            convert(folder)
    file.unlink()
    with pytest.raises(FileNotFoundError, match="neither tokenizer.json nor tokenizer.model"):
        convert(folder)


def sentencepiece_model(texts: list[str]) -> bytes:
    """SentencePiece's protocol buffer: pieces of text, score and kind, and a field we skip."""
    data = bytearray(b"\x12\x02\x08\x01")
    for text in texts:
        kind = 3 if text in ("<unk>", "<s>", "</s>") else 6 if text.startswith("<0x") else 1
        encoded = text.encode()
        piece = bytes([0x0A, len(encoded)]) + encoded + b"\x15\0\0\x80\xbf"
        piece += bytes([0x18, kind]) if kind != 1 else b""
        data += bytes([0x0A, len(piece)]) + piece
    return bytes(data)


def test_sentencepiece_files_serve_as_well(folder: Path) -> None:
    texts = list(vocabulary(byte_level=False))
    expected = folder_byte_tokens(folder, len(texts))
    (folder / "tokenizer.json").unlink()
    file, data = folder / "tokenizer.model", sentencepiece_model(texts)
    file.write_bytes(data)
    assert folder_byte_tokens(folder, len(texts)) == expected
    for bad in (data[:-1], data[:5], b"\xff" * 20, b"\x0b\x00", b"\x0a\x02\x18\x01"):
        file.write_bytes(bad)
        with pytest.raises(ValueError, match="tokenizer.model: (not a Sentence|the vocabulary)"):
            folder_byte_tokens(folder, len(texts))


def test_the_hub_s_cache_comes_first(
    llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(FileNotFoundError, match="no language model owner/model.*HF_HUB_OFFLINE"):
        find_model("owner/model")
    cached = tmp_path / "models--owner--model"
    (cached / "refs").mkdir(parents=True)
    (cached / "refs" / "main").write_text("0" * 40)
    shutil.copytree(llama, cached / "snapshots" / ("0" * 40))
    assert convert(find_model("owner/model")).fingerprint == convert(llama).fingerprint
