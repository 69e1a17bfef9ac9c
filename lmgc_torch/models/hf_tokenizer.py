"""Byte tokens of a Hugging Face folder: from tokenizer.json, else from SentencePiece's file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lmgc_torch.models.byte_tokens import byte_tokens
from lmgc_torch.models.hf_config import read_json

__all__ = ["folder_byte_tokens"]

#: SentencePiece's kinds of pieces: ordinary, and for a byte.
NORMAL, BYTE = 1, 6


def folder_byte_tokens(folder: Path, vocabulary: int) -> list[int]:
    """A token below `vocabulary` for each byte.

    Raises:
        ValueError: the tokenizer is of another kind than byte-level BPE or SentencePiece's BPE
            with byte tokens, or damaged.
        FileNotFoundError: the folder has neither tokenizer.json nor tokenizer.model.
    """
    file, pieces = folder / "tokenizer.json", folder / "tokenizer.model"
    if file.is_file():
        byte_level, tokens = _json_tokens(file)
    elif pieces.is_file():
        file, byte_level = pieces, False
        tokens = _sentencepiece_tokens(pieces)
    else:
        raise FileNotFoundError(f"{folder} has neither tokenizer.json nor tokenizer.model")
    for text, token in tokens.items():
        if type(token) is not int or not 0 <= token < vocabulary:
            raise ValueError(
                f"{file}: token {text!r} is {token!r}, outside the vocabulary of {vocabulary}"
            )
    return byte_tokens(file, byte_level=byte_level, tokens=tokens)


def _json_tokens(file: Path) -> tuple[bool, dict[str, int]]:
    values = read_json(file)
    model, decoder = (_object(values.get(name)) for name in ("model", "decoder"))
    vocabulary = model.get("vocab")
    byte_level = decoder.get("type") == "ByteLevel"
    kind = model.get("type", "BPE" if "merges" in model else None)  # old files do not say
    if kind != "BPE" or not isinstance(vocabulary, dict):
        raise ValueError(
            f"{file}: the tokenizer's model is {kind!r}; supported: 'BPE'; choose another model"
        )
    if not byte_level and not model.get("byte_fallback"):
        raise ValueError(
            f"{file}: the tokenizer has neither a ByteLevel decoder nor byte_fallback; "
            "choose another model"
        )
    ordinary = dict(vocabulary)
    added = values.get("added_tokens")
    for entry in added if isinstance(added, list) else ():
        ordinary.pop(str(_object(entry).get("content")), None)
    return byte_level, ordinary


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _sentencepiece_tokens(file: Path) -> dict[str, int]:
    """Of SentencePiece's protocol buffer: field 1, repeated, is a piece; in it, 1 is the text and
    3 the kind."""
    tokens = {}
    try:
        pieces = (value for number, value in _messages(file.read_bytes()) if number == 1)
        for token, piece in enumerate(pieces):
            entries = dict(_messages(piece)) if isinstance(piece, bytes) else {}
            text = entries[1]
            if isinstance(text, bytes) and entries.get(3, NORMAL) in (NORMAL, BYTE):
                tokens[text.decode()] = token
    except (IndexError, KeyError, ValueError) as error:
        raise ValueError(f"{file}: not a SentencePiece model ({error!r}); get it again") from error
    return tokens


def _messages(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and value of each field of a protocol buffer."""
    at = 0

    def varint() -> int:
        nonlocal at
        value = 0
        for shift in range(0, 64, 7):
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value
        raise ValueError("a number of more than 64 bits")

    while at < len(data):
        tag = varint()
        kind = tag & 7
        if kind == 0:
            yield tag >> 3, varint()
            continue
        if kind not in (1, 2, 5):
            raise ValueError(f"a field of kind {kind}")
        size = varint() if kind == 2 else {1: 8, 5: 4}[kind]
        if size > len(data) - at:
            raise ValueError("it ends inside a field")
        yield tag >> 3, data[at : at + size]
        at += size
