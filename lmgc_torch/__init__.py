"""Lossless gradient compression for PyTorch DDP."""
