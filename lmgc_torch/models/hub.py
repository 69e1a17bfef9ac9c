"""Finds a model of the Hugging Face hub: in its cache, else online."""

from __future__ import annotations

import re
from pathlib import Path

import huggingface_hub

from lmgc_torch.models.hf_folder import FILES, files_of

__all__ = ["hub_folder", "is_hub_id"]


def is_hub_id(name: str) -> bool:
    """Whether a name has the form of `owner/model`."""
    return re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", name) is not None


def hub_folder(model_id: str) -> Path:
    """Folder of the model's files, of its main branch; what the cache lacks is downloaded.

    Raises:
        FileNotFoundError: it is neither there nor can be had.
    """
    try:
        folder = Path(_snapshot(model_id, local_files_only=True))
        files_of(folder)
    except FileNotFoundError:
        pass
    else:
        return folder
    try:
        return Path(_snapshot(model_id, local_files_only=False))
    except OSError as error:
        raise FileNotFoundError(
            f"no language model {model_id}: the cache of huggingface_hub lacks it, and {error}"
        ) from error


def _snapshot(model_id: str, *, local_files_only: bool) -> str:
    return huggingface_hub.snapshot_download(
        model_id, allow_patterns=list(FILES), local_files_only=local_files_only
    )
