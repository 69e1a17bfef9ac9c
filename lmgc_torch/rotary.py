"""Tables of the rotary position embedding, the same bits whatever the C library's cosine."""

from __future__ import annotations

import decimal
import math
from collections.abc import Sequence

import numpy as np
import torch

#: Fraction bits of the integers in which angles and their sines are computed.
_BITS = 128


def rotary_tables(
    base: float, head_width: int, context: int, divisors: Sequence[float] = ()
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosines and sines of position * base^(-2i / head_width) / divisors[i], float32 [context,
    head_width / 2]; without `divisors` they are 1. Requires a base and divisors of at least 1.

    A fixed-point rotation by each frequency's angle, repeated: integers only, so that every machine
    builds the same model. 8,192 steps lose at most 14 of 128 bits.
    """
    half = head_width // 2
    divisors = divisors or (1.0,) * half
    cosines = np.empty((context, half), np.float32)
    sines = np.empty((context, half), np.float32)
    for i in range(half):
        step_cosine, step_sine = _cosine_and_sine(_angle(base, 2 * i, head_width, divisors[i]))
        cosine, sine = 1 << _BITS, 0
        for position in range(context):
            cosines[position, i] = math.ldexp(cosine >> (_BITS - 60), -60)
            sines[position, i] = math.ldexp(sine >> (_BITS - 60), -60)
            cosine, sine = (
                (cosine * step_cosine - sine * step_sine) >> _BITS,
                (sine * step_cosine + cosine * step_sine) >> _BITS,
            )
    return torch.from_numpy(cosines), torch.from_numpy(sines)


def _angle(base: float, numerator: int, denominator: int, divisor: float) -> int:
    """base^(-numerator / denominator) / divisor, fixed-point; decimal rounds its ln and exp
    correctly."""
    with decimal.localcontext(prec=60):
        exponent = decimal.Decimal(base).ln() * numerator / denominator
        whole = int((-exponent).exp() * (1 << _BITS))
    above, below = divisor.as_integer_ratio()
    return whole * below // above


def _cosine_and_sine(angle: int) -> tuple[int, int]:
    """Taylor series of an angle in [0, 1]."""
    sums = [0, 0]
    term, order = 1 << _BITS, 0
    while term:
        sums[order % 2] += term if order % 4 < 2 else -term
        order += 1
        term = ((term * angle) >> _BITS) // order
    return sums[0], sums[1]
