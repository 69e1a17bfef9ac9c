"""Small random models of each family, in both file formats.

`transformers` makes and saves them; the GGUF file follows llama.cpp's conversion, with the names
that `gguf` has for them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import tokenizers
import torch
import transformers
from tokenizers import decoders, models

from lmgc_torch.models.byte_tokens import byte_characters

LAYERS, WIDTH, HEADS, FEED_FORWARD, CONTEXT = 2, 64, 4, 96, 256
ROPE_BASE = 10000.0
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": ROPE_BASE,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
LINEAR = {"rope_type": "linear", "rope_theta": ROPE_BASE, "factor": 2.5}


@dataclass(frozen=True)
class Family:
    name: str
    config: type[transformers.PretrainedConfig]
    architecture: gguf.MODEL_ARCH
    byte_level: bool
    options: dict[str, Any]
    context: int = CONTEXT


Arch = gguf.MODEL_ARCH
FAMILIES = [
    Family("llama-2", transformers.LlamaConfig, Arch.LLAMA, False, {}),
    Family(
        "llama-3",
        transformers.LlamaConfig,
        Arch.LLAMA,
        True,
        {"rope_parameters": LLAMA3, "tie_word_embeddings": True},
    ),
    Family(
        "llama-linear",
        transformers.LlamaConfig,
        Arch.LLAMA,
        False,
        {"rope_parameters": LINEAR, "attention_bias": True, "mlp_bias": True},
    ),
    Family("mistral", transformers.MistralConfig, Arch.LLAMA, False, {"sliding_window": 128}, 128),
    Family("qwen2", transformers.Qwen2Config, Arch.QWEN2, True, {}),
    Family("qwen3", transformers.Qwen3Config, Arch.QWEN3, True, {"head_dim": 24}),
    Family("gpt2", transformers.GPT2Config, Arch.GPT2, True, {}),
]


def vocabulary(byte_level: bool) -> dict[str, int]:
    """Texts to ids; the first three are special."""
    texts = ["<unk>", "<s>", "</s>"]
    if byte_level:
        texts += [*byte_characters(), "ab", "cd"]
    else:
        texts += [f"<0x{byte:02X}>" for byte in range(256)]
        texts += ["\u2581", *(chr(code) for code in range(ord("!"), 0x7F)), "\u00e9", "ab"]
    return {text: token for token, text in enumerate(texts)}


def random_family(family: Family, seed: int = 0) -> transformers.PreTrainedModel:
    """In float32, scores spread enough that what follows is far from uniform."""
    size = len(vocabulary(family.byte_level))
    shape: dict[str, Any] = {
        "num_hidden_layers": LAYERS,
        "hidden_size": WIDTH,
        "num_attention_heads": HEADS,
        "num_key_value_heads": 2,
        "intermediate_size": FEED_FORWARD,
        "max_position_embeddings": CONTEXT,
    }
    if family.config is transformers.GPT2Config:
        shape = {"n_layer": LAYERS, "n_embd": WIDTH, "n_head": HEADS, "n_positions": CONTEXT}
    config = family.config(
        vocab_size=size, bos_token_id=1, eos_token_id=2, **{**shape, **family.options}
    )
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    generator = torch.Generator().manual_seed(seed)
    for name, values in model.named_parameters():
        noise = torch.randn(values.shape, generator=generator)
        if "embed" in name or "wte" in name:
            noise *= 0.4
        elif name.endswith("bias"):
            noise *= 0.3
        elif "norm" in name or "ln_" in name:
            noise = torch.rand(values.shape, generator=generator) * 1.5 + 0.5
        elif "lm_head" in name:
            noise *= 2 / WIDTH**0.5
        elif "wpe" not in name:
            fan_in = values.shape[0 if family.architecture is Arch.GPT2 else 1]
            noise /= fan_in**0.5
        values.data.copy_(noise)
    return model.eval()


def write_folder(
    folder: Path, family: Family, model: transformers.PreTrainedModel, shard_bytes: int = 60_000
) -> Path:
    model.save_pretrained(folder, max_shard_size=shard_bytes)
    vocabulary_ = vocabulary(family.byte_level)
    tokenizer = tokenizers.Tokenizer(
        models.BPE(vocabulary_, [("a", "b")], byte_fallback=not family.byte_level)
    )
    fallback = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.decoder = decoders.ByteLevel() if family.byte_level else fallback
    tokenizer.add_special_tokens(list(vocabulary_)[:3])
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def write_gguf(file: Path, family: Family, model: transformers.PreTrainedModel) -> Path:
    """As llama.cpp's convert_hf_to_gguf.py does."""
    config = model.config
    writer = gguf.GGUFWriter(file, gguf.MODEL_ARCH_NAMES[family.architecture])
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_head_count(HEADS)
    if family.architecture is Arch.GPT2:
        writer.add_feed_forward_length(4 * WIDTH)
        writer.add_layer_norm_eps(config.layer_norm_epsilon)
    else:
        writer.add_feed_forward_length(FEED_FORWARD)
        writer.add_layer_norm_rms_eps(config.rms_norm_eps)
        writer.add_head_count_kv(config.num_key_value_heads)
        writer.add_rope_freq_base(ROPE_BASE)
    if "head_dim" in family.options:
        writer.add_key_length(config.head_dim)
        writer.add_value_length(config.head_dim)
    if family.options.get("rope_parameters") is LINEAR:
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(2.5)
    if "sliding_window" in family.options:
        writer.add_sliding_window(config.sliding_window)
    texts = list(vocabulary(family.byte_level))
    writer.add_tokenizer_model("gpt2" if family.byte_level else "llama")
    writer.add_token_list(texts)
    writer.add_token_types([_token_type(text) for text in texts])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    names = gguf.get_tensor_name_map(family.architecture, LAYERS)
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        values = tensor.numpy()
        if family.architecture is Arch.LLAMA:
            values = _permuted(name, values, config)
        if family.architecture is Arch.GPT2 and ".c_" in name and values.ndim == 2:
            values = np.ascontiguousarray(values.T)
        writer.add_tensor(names.get_name(name, try_suffixes=(".weight", ".bias")), values)
    if family.options.get("rope_parameters") is LLAMA3:
        writer.add_tensor("rope_freqs.weight", _rope_freqs(config.head_dim))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def _token_type(text: str) -> gguf.TokenType:
    if text in ("<unk>", "<s>", "</s>"):
        return gguf.TokenType.CONTROL
    return gguf.TokenType.BYTE if text.startswith("<0x") else gguf.TokenType.NORMAL


def _permuted(name: str, values: np.ndarray, config: Any) -> np.ndarray:
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    count = next((count for part, count in heads.items() if part in name), None)
    if count is None:
        return values
    pairs = values.reshape(count, 2, values.shape[0] // count // 2, *values.shape[1:])
    return np.ascontiguousarray(pairs.swapaxes(1, 2)).reshape(values.shape)


def _rope_freqs(head_width: int) -> np.ndarray:
    factors = []
    for i in range(0, head_width, 2):
        wavelength = 2 * np.pi * ROPE_BASE ** (i / head_width)
        original = 64
        if wavelength < original / 4:
            factors.append(1.0)
        elif wavelength > original / 1:
            factors.append(8.0)
        else:
            smooth = (original / wavelength - 1) / (4 - 1)
            factors.append(1 / ((1 - smooth) / 8 + smooth))
    return np.array(factors, np.float32)


def change_json(file: Path, change: Callable[[Any], None]) -> None:
    values = json.loads(file.read_text())
    change(values)
    file.write_text(json.dumps(values))
