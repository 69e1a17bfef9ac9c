"""A token for each byte, from a vocabulary's texts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

__all__ = ["byte_characters", "byte_tokens"]


def byte_tokens(file: Path, *, byte_level: bool, tokens: Mapping[str, int]) -> list[int]:
    """A token for each byte, all different. `tokens`: the ordinary ones, by their text.

    Byte-level BPE writes each byte as one character: the byte's token is the one with that text,
    else, if free, that of its Latin-1 character (two bytes in UTF-8). SentencePiece has a token
    for the Latin-1 character or for the byte, `<0xNN>`. A byte with neither gets the lowest free
    token: that it is fixed and unique is enough.

    Raises:
        ValueError: `file`'s vocabulary has less than 256 tokens.
    """
    characters = byte_characters()
    if byte_level:
        first = characters
        second = ["".join(characters[b] for b in chr(byte).encode()) for byte in range(256)]
    else:
        first = [chr(byte) if byte != ord(" ") else "\u2581" for byte in range(256)]
        second = [f"<0x{byte:02X}>" for byte in range(256)]
    found = {byte: tokens[text] for byte, text in enumerate(first) if text in tokens}
    taken = set(found.values())
    free = iter(sorted(set(tokens.values())))
    for byte in range(256):
        if byte in found:
            continue
        token = tokens.get(second[byte])
        if token is None or token in taken:
            token = next((candidate for candidate in free if candidate not in taken), None)
        if token is None:
            raise ValueError(
                f"{file}: the vocabulary has {len(taken)} ordinary tokens, bytes need 256; "
                "choose another model"
            )
        found[byte] = token
        taken.add(token)
    return [found[byte] for byte in range(256)]


def byte_characters() -> list[str]:
    """GPT-2's printable character for each byte."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    spare = iter(range(256, 512))
    return [chr(byte) if byte in printable else chr(next(spare)) for byte in range(256)]
