"""Reads a Hugging Face folder: config.json, safetensors of one or several files, a tokenizer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import safetensors

from lmgc_torch.models.families import BY_MODEL_TYPE, Family, family_of
from lmgc_torch.models.fields import Fields
from lmgc_torch.models.hf_config import architecture_of, begin_token_of, read_json, rotary_of
from lmgc_torch.models.hf_tokenizer import folder_byte_tokens
from lmgc_torch.models.stored_model import Names, StoredModel, StoredTensors, Values

__all__ = ["FILES", "files_of", "read_folder"]

CONFIG, WHOLE, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
#: Patterns of all files that are read.
FILES = (CONFIG, WHOLE, INDEX, "model-*.safetensors", "tokenizer.json", "tokenizer.model")
DTYPES = ("F32", "F16", "BF16")


def files_of(folder: Path) -> list[Path]:
    """Configuration and weights of the model in a folder.

    Raises:
        FileNotFoundError: one of them is not there.
        ValueError: the index of the weights is damaged.
    """
    files = [folder / CONFIG, *dict.fromkeys(_shards(folder).values())]
    for file in files:
        if not file.is_file():
            raise FileNotFoundError(
                f"{folder} has no {file.name}; needed: {CONFIG}, and {WHOLE} or {INDEX} with its "
                "files (weights as pickles, pytorch_model.bin, are not read: convert them)"
            )
    return files


def read_folder(folder: Path) -> StoredModel:
    """Describes the model in a folder; its tensors are read when they are asked for.

    Raises:
        FileNotFoundError: a file is missing, named.
        ValueError: one is damaged, or needs what the engine lacks: named, with what there is.
    """
    files = files_of(folder)
    fields = Fields(files[0], read_json(files[0]))
    family = family_of(fields, "model_type", BY_MODEL_TYPE)
    architecture = architecture_of(fields, family)
    return StoredModel(
        architecture,
        None if architecture.learned_positions else rotary_of(fields, architecture),
        begin_token_of(fields, architecture.vocabulary),
        folder_byte_tokens(folder, architecture.vocabulary),
        _tensors(folder, files[1:], fields, family),
    )


def _shards(folder: Path) -> dict[str, Path]:
    """The file of each tensor; of all of them, under "", without an index."""
    index = folder / INDEX
    if (folder / WHOLE).exists() or not index.exists():
        return {"": folder / WHOLE}
    shards = read_json(index).get("weight_map")
    if not isinstance(shards, dict) or not shards:
        raise ValueError(f"{index}: weight_map is missing; get it again")
    for name in shards.values():
        if not isinstance(name, str) or Path(name).name != name:
            raise ValueError(f"{index}: weight_map has {name!r}, expected a file of this folder")
    return {tensor: folder / name for tensor, name in shards.items()}


def _tensors(folder: Path, files: list[Path], fields: Fields, family: Family) -> StoredTensors:
    opened: dict[str, Any] = {}
    for file in files:
        try:
            shard: Any = safetensors.safe_open(file, framework="pt")
            opened |= dict.fromkeys(shard.keys(), shard)
        except (safetensors.SafetensorError, OSError) as error:
            raise ValueError(f"{file}: not a safetensors file ({error}); get it again") from error
    stored = {name for name in opened if not name.endswith(family.buffers)}
    prefix = family.optional_prefix
    if not any(name.startswith(prefix) for name in stored):
        prefix = ""
    names = _prefixed(family.names, prefix)
    head, tied = names.own("head.weight"), fields.get("tie_word_embeddings")
    if tied:
        stored.discard(head)
    elif tied is False and head not in stored:
        raise ValueError(
            f"{folder}: tensor {head} is missing, and tie_word_embeddings is false; get it again"
        )

    def load(name: str, own: str) -> Values:
        dtype = opened[own].get_slice(own).get_dtype()
        if dtype not in DTYPES:
            raise ValueError(
                f"{folder}: tensor {own} is {dtype}; supported: {', '.join(DTYPES)}; "
                "choose another model"
            )
        values: Values = opened[own].get_tensor(own).float().numpy()
        part = name.split(".")[-2]
        if part in family.transposed and name.endswith(".weight"):
            return np.ascontiguousarray(values.T)
        return values

    return StoredTensors(folder, names, stored, load)


def _prefixed(names: Names, prefix: str) -> Names:
    whole = {ours: own if ours == "head" else prefix + own for ours, own in names.whole.items()}
    return Names(whole, prefix + names.layer, names.parts)
