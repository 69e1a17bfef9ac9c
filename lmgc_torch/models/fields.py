"""Entries of a model file's configuration, checked as they are read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["Fields"]


class Fields:
    """Reads `values` of `file`; every error is a ValueError that names file and entry.

    An entry that is null counts as absent. Without a default an absent entry is an error.
    """

    def __init__(self, file: Path, values: Mapping[str, Any]) -> None:
        self.file = file
        self._values = values

    def get(self, name: str) -> Any:
        return self._values.get(name)

    def integer(self, name: str, default: int | None = None, *, least: int = 1, most: int) -> int:
        value = self._value(name, default)
        if type(value) is not int or not least <= value <= most:
            raise ValueError(
                f"{self.file}: {name} is {value!r}; supported: an integer, {least} to {most}"
            )
        return value

    def number(self, name: str, default: float | None = None, *, least: float = 0) -> float:
        """A positive one, rounded to float32, as GGUF stores it: both formats give one model."""
        value = self._value(name, default)
        if type(value) not in (int, float) or not least <= value < 2.0**64 or value == 0:
            kind = f"of at least {least}" if least else "above 0"
            raise ValueError(f"{self.file}: {name} is {value!r}, expected a number {kind}")
        return float(np.float32(value))

    def demand(self, name: str, *supported: object) -> None:
        """Refuses a value that is neither absent nor one of `supported`."""
        value = self.get(name)
        if value is not None and value not in supported:
            known = " or ".join(repr(one) for one in supported) or "none"
            raise ValueError(
                f"{self.file}: {name} is {value!r}; supported: {known}; choose another model"
            )

    def _value(self, name: str, default: float | None) -> Any:
        value = self._values.get(name)
        if value is None:
            value = default
        if value is None:
            raise ValueError(f"{self.file}: {name} is missing; choose another model")
        return value
