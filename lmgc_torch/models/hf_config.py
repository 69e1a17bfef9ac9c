"""Reads the config.json of a Hugging Face folder."""

from __future__ import annotations

import decimal
import json
from pathlib import Path
from typing import Any

import numpy as np

from lmgc_torch.models.families import Family
from lmgc_torch.models.fields import Fields
from lmgc_torch.models.stored_model import CONTEXT_LIMIT, DEPTH_LIMIT, Architecture, Rotary

__all__ = ["architecture_of", "begin_token_of", "read_json", "rotary_of"]


def read_json(file: Path) -> dict[str, Any]:
    """The object in a file; ValueError if it is anything else."""
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file}: not readable as JSON ({error}); get it again") from error
    if not isinstance(values, dict):
        raise ValueError(f"{file}: not a JSON object; get it again")
    return values


def architecture_of(fields: Fields, family: Family) -> Architecture:
    """Raises ValueError for what the engine does not run, by its name in the configuration."""
    fields.demand("quantization_config")
    return (_gpt2 if family.features.get("learned_positions") else _llama)(fields, family)


def _llama(fields: Fields, family: Family) -> Architecture:
    fields.demand("hidden_act", "silu")
    fields.demand("partial_rotary_factor", 1.0)
    heads = fields.integer("num_attention_heads", most=1024)
    width = fields.integer("hidden_size", most=DEPTH_LIMIT)
    context = fields.integer("max_position_embeddings", most=2**40)
    slides = fields.get("use_sliding_window") is not False
    window = fields.integer("sliding_window", context, most=2**40) if slides else context
    return Architecture(
        layers=fields.integer("num_hidden_layers", most=1024),
        width=width,
        feed_forward=fields.integer("intermediate_size", most=DEPTH_LIMIT),
        heads=heads,
        kv_heads=fields.integer("num_key_value_heads", heads, most=heads),
        head_width=fields.integer("head_dim", width // heads, most=1024),
        vocabulary=fields.integer("vocab_size", most=2**24),
        context=min(context, window, CONTEXT_LIMIT),
        norm_epsilon=fields.number("rms_norm_eps"),
        **family.features,
    )


def _gpt2(fields: Fields, family: Family) -> Architecture:
    fields.demand("activation_function", "gelu_new", "gelu_pytorch_tanh")
    fields.demand("scale_attn_weights", True)
    fields.demand("scale_attn_by_inverse_layer_idx", False)
    fields.demand("add_cross_attention", False)
    heads = fields.integer("n_head", most=1024)
    width = fields.integer("n_embd", most=DEPTH_LIMIT // 4)
    return Architecture(
        layers=fields.integer("n_layer", most=1024),
        width=width,
        feed_forward=fields.integer("n_inner", 4 * width, most=DEPTH_LIMIT),
        heads=heads,
        kv_heads=heads,
        head_width=width // heads,
        vocabulary=fields.integer("vocab_size", most=2**24),
        context=fields.integer("n_positions", most=CONTEXT_LIMIT),
        norm_epsilon=fields.number("layer_norm_epsilon"),
        **family.features,
    )


def begin_token_of(fields: Fields, vocabulary: int) -> int:
    """The token that begins a text, else the one that ends it, else 0."""
    ends = fields.get("eos_token_id")
    end = ends[0] if isinstance(ends, list) and ends else ends
    chosen = {"bos_token_id": fields.get("bos_token_id"), "eos_token_id": end}
    name = next((name for name, token in chosen.items() if token is not None), "bos_token_id")
    return Fields(fields.file, chosen).integer(name, 0, least=0, most=vocabulary - 1)


def rotary_of(fields: Fields, a: Architecture) -> Rotary:
    """From `rope_parameters`, or from `rope_theta` and `rope_scaling`, their older form."""
    older = {"rope_theta": fields.get("rope_theta"), **_object(fields, "rope_scaling")}
    values = _object(fields, "rope_parameters") or older
    values["rope_type"] = values.get("rope_type") or values.get("type") or "default"
    rope = Fields(fields.file, values)
    rope.demand("rope_type", "default", "linear", "llama3")
    rope.demand("partial_rotary_factor", 1.0)
    base = rope.number("rope_theta", 10000.0, least=1)
    half = a.head_width // 2
    if values["rope_type"] == "llama3":
        return Rotary(base, _llama3_divisors(rope, base, a.head_width))
    factor = rope.number("factor", least=1) if values["rope_type"] == "linear" else 1.0
    return Rotary(base, (factor,) * half)


def _object(fields: Fields, name: str) -> dict[str, Any]:
    value = fields.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict) or any(isinstance(inner, dict) for inner in value.values()):
        raise ValueError(
            f"{fields.file}: {name} is {value!r}; supported: one set of parameters for all "
            "layers; choose another model"
        )
    return dict(value)


def _llama3_divisors(rope: Fields, base: float, head_width: int) -> tuple[float, ...]:
    """1 for wavelengths that the original context holds `high_freq_factor` times, `factor` for
    those it holds less than `low_freq_factor` times, and in between from one to the other.

    By `decimal`, which rounds correctly: every machine gets the same float32 numbers.
    """
    with decimal.localcontext(prec=60):
        factor, low, high = (
            decimal.Decimal(rope.number(name))
            for name in ("factor", "low_freq_factor", "high_freq_factor")
        )
        if high <= low or factor < 1:
            raise ValueError(
                f"{rope.file}: llama3 rope has factor {factor}, low_freq_factor {low} and "
                f"high_freq_factor {high}; expected a factor of at least 1, and high above low"
            )
        original = rope.integer("original_max_position_embeddings", most=2**40)
        divisors = []
        for i in range(head_width // 2):
            power = (decimal.Decimal(base).ln() * 2 * i / head_width).exp()
            turns = original / (2 * PI * power)
            part = min(max((turns - low) / (high - low), decimal.Decimal(0)), decimal.Decimal(1))
            divisors.append(float(np.float32(float(1 / ((1 - part) / factor + part)))))
    return tuple(divisors)


PI = decimal.Decimal("3.14159265358979323846264338327950288419716939937510582097494")
