"""The library's version, as the installed package states it."""

__version__ = "0.1.0"
