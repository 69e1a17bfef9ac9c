"""What we want of speed and memory, and the worst that was measured of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from contenders import BASELINE, HALF
from speed_report import Speed

Peaks = Mapping[str, Mapping[str, float]]  # of "preset, dtype"
Case = tuple[str, str, str, str]  # codec, sequence, dtype, threads

SLOWER = {"fast": 1.0, "balanced": 3.0}  # than what zipnn's speed asks of `fast`
ENCODE_TO_BASELINE = 1.0
DECODE_TO_BASELINE = 0.5
OBSERVE_TO_ENCODE = 0.5
TWO_THREADS = 1.7
TIME_A_BYTE = 1.1  # of all to that of half the bytes: linear, and 10 % for noise
MEMORY = 2.5


@dataclass(frozen=True)
class Claim:
    """A measured value with its limit."""

    name: str
    limit: float
    value: float
    where: str
    at_least: bool  # else at most

    @property
    def margin(self) -> float:
        """Above 1: reached."""
        return self.value / self.limit if self.at_least else self.limit / max(self.value, 1e-9)

    def row(self) -> list[str]:
        limit = f"{'>=' if self.at_least else '<='} {self.limit:.2f}"
        verdict = "reached" if self.margin >= 1 else "**missed**"
        return [self.name, limit, f"{self.value:.2f}", self.where, verdict]


def claims_of(speed: Speed, known: Mapping[Case, Speed]) -> Iterator[Claim]:
    def other(codec: str, sequence: str, threads: int) -> Speed | None:
        return known.get((codec, sequence, speed.dtype, str(threads)))

    codec, where = speed.codec, f"{speed.sequence}, {speed.dtype}"
    base = other(BASELINE, speed.sequence, 1)
    if codec in SLOWER and base:
        for verb, asked, own, theirs in (
            ("encode", ENCODE_TO_BASELINE, speed.encode_s, base.encode_s),
            ("decode", DECODE_TO_BASELINE, speed.decode_s, base.decode_s),
        ):
            name = f"{codec}: {verb}, speed to {BASELINE}"
            yield Claim(name, asked / SLOWER[codec], theirs / own, where, True)
    ratio = speed.observe_s / speed.encode_s
    yield Claim(f"{codec}: observe, time to encode", OBSERVE_TO_ENCODE, ratio, where, False)
    if two := other(codec, speed.sequence, 2):
        for verb, ratio in (
            ("encode", speed.encode_s / two.encode_s),
            ("decode", speed.decode_s / two.decode_s),
        ):
            yield Claim(f"{codec}: {verb}, two threads to one", TWO_THREADS, ratio, where, True)
    if half := other(codec, speed.sequence + HALF, 1):
        size = speed.raw_bytes / half.raw_bytes
        for verb, ratio in (
            ("encode", speed.encode_s / half.encode_s / size),
            ("decode", speed.decode_s / half.decode_s / size),
        ):
            name = f"{codec}: {verb}, time a byte, all to half"
            yield Claim(name, TIME_A_BYTE, ratio, where, False)


def worst_claims(speeds: list[Speed], presets: list[str], peaks: Peaks) -> list[Claim]:
    known = {(s.codec, s.sequence, s.dtype, str(s.threads)): s for s in speeds}
    claims = [
        claim
        for speed in speeds
        if speed.codec in presets and speed.threads == 1 and not speed.sequence.endswith(HALF)
        for claim in claims_of(speed, known)
    ]
    for where, peak in peaks.items():
        busy = max(value for name, value in peak.items() if name != "history")
        name = f"{where.split(',')[0]}: history and peak, in gradients"
        claims.append(Claim(name, MEMORY, peak["history"] + busy, where, False))
    worst: dict[str, Claim] = {}
    for claim in claims:
        if claim.name not in worst or claim.margin < worst[claim.name].margin:
            worst[claim.name] = claim
    return list(worst.values())
