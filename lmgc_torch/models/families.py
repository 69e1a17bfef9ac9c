"""The families of models that the engine runs, and what each format calls their tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lmgc_torch.models.fields import Fields
from lmgc_torch.models.stored_model import Names

__all__ = ["BY_ARCHITECTURE", "BY_MODEL_TYPE", "GGUF_NAMES", "Family", "family_of"]

GGUF_NAMES = Names(
    {
        "embedding": "token_embd",
        "positions": "position_embd",
        "norm": "output_norm",
        "head": "output",
        "rotary_divisors": "rope_freqs",
    },
    "blk.{}.",
    {
        "attention_norm": "attn_norm",
        "query": "attn_q",
        "key": "attn_k",
        "value": "attn_v",
        "query_key_value": "attn_qkv",
        "query_norm": "attn_q_norm",
        "key_norm": "attn_k_norm",
        "output": "attn_output",
        "feed_forward_norm": "ffn_norm",
        "gate": "ffn_gate",
        "up": "ffn_up",
        "down": "ffn_down",
    },
)

LLAMA_NAMES = Names(
    {"embedding": "model.embed_tokens", "norm": "model.norm", "head": "lm_head"},
    "model.layers.{}.",
    {
        "attention_norm": "input_layernorm",
        "query": "self_attn.q_proj",
        "key": "self_attn.k_proj",
        "value": "self_attn.v_proj",
        "query_norm": "self_attn.q_norm",
        "key_norm": "self_attn.k_norm",
        "output": "self_attn.o_proj",
        "feed_forward_norm": "post_attention_layernorm",
        "gate": "mlp.gate_proj",
        "up": "mlp.up_proj",
        "down": "mlp.down_proj",
    },
)

GPT2_NAMES = Names(
    {"embedding": "wte", "positions": "wpe", "norm": "ln_f", "head": "lm_head"},
    "h.{}.",
    {
        "attention_norm": "ln_1",
        "query_key_value": "attn.c_attn",
        "output": "attn.c_proj",
        "feed_forward_norm": "ln_2",
        "up": "mlp.c_fc",
        "down": "mlp.c_proj",
    },
)


@dataclass(frozen=True)
class Family:
    """One architecture, under its names in `general.architecture` and `model_type`."""

    architecture: str
    model_types: tuple[str, ...]
    #: Of safetensors; a file may leave `optional_prefix` out.
    names: Names = LLAMA_NAMES
    optional_prefix: str = ""
    #: Buffers beside the weights, which follow from the configuration.
    buffers: tuple[str, ...] = (".rotary_emb.inv_freq",)
    #: Matrices that safetensors hold as [inputs, outputs].
    transposed: frozenset[str] = frozenset()
    #: GGUF has rotary pairs side by side, (2i, 2i + 1), instead of (i, i + half).
    neighbours: bool = False
    #: Flags of the architecture that are on.
    features: dict[str, bool] = field(default_factory=dict)


FAMILIES = (
    Family("llama", ("llama", "mistral"), neighbours=True),
    Family("qwen2", ("qwen2",)),
    Family("qwen3", ("qwen3",), features={"query_key_norm": True}),
    Family(
        "gpt2",
        ("gpt2",),
        names=GPT2_NAMES,
        optional_prefix="transformer.",
        buffers=(".attn.bias", ".attn.masked_bias"),
        transposed=frozenset({"query_key_value", "output", "up", "down"}),
        features={"layer_norm": True, "gelu": True, "learned_positions": True},
    ),
)


BY_ARCHITECTURE = {family.architecture: family for family in FAMILIES}
BY_MODEL_TYPE = {name: family for family in FAMILIES for name in family.model_types}


def family_of(fields: Fields, entry: str, families: Mapping[str, Family]) -> Family:
    """The family that `entry` names; ValueError with those there are."""
    name = fields.get(entry)
    if not isinstance(name, str) or name not in families:
        raise ValueError(
            f"{fields.file}: {entry} is {name!r}; supported: {', '.join(families)}; "
            "choose another model"
        )
    return families[name]
