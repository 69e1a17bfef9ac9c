"""What the planner of `preset="auto"` found and decided, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

AUTO = "auto"
PLAIN = "plain"  # an allreduce
# The planner's candidates, the quickest first.
CANDIDATES = ("fast", "balanced", "max")

_OUTCOMES = {
    "untried": "not tried yet",
    "skipped": "not tried: the link leaves it nothing to gain",
    "abandoned": "given up after 3 steps",
}


def explain(plan: Mapping[str, Any], presets: Sequence[str]) -> str:
    """A few lines for people; `plan` is what `_C.Hook.plan` tells."""
    method = "plain allreduce" if plan["method"] is None else presets[plan["method"]]
    if plan["deciding"]:
        state = f"step {plan['steps']}: trying {method}"
    else:
        state = f"step {plan['steps']}: {method}, decided at step {plan['decided_at']}"
    plain = [str(bucket) for bucket, stays in enumerate(plan["plain_buckets"]) if stays]
    if plain:
        state += f"; buckets {', '.join(plain)} plain, which coding would not speed up"
    lines = [
        state + (f" ({plan['reason']})" if plan["reason"] else ""),
        f"link: {8e-6 * plan['bytes_per_second']:.4g} Mbit/s a rank, "
        f"{plan['exchange_ns'] / 1e6:.3g} ms an exchange",
    ]
    trials = {"plain allreduce": plan["plain"], **dict(zip(presets, plan["presets"], strict=True))}
    lines += [f"{name}: {_trial(trial)}" for name, trial in trials.items()]
    return "\n".join(lines)


def _trial(trial: Mapping[str, Any]) -> str:
    if trial["outcome"] != "measured":
        took = f" ({trial['step_ns'] / 1e6:.4g} ms a step)" if trial["step_ns"] else ""
        return _OUTCOMES[trial["outcome"]] + took
    text = f"{trial['step_ns'] / 1e6:.4g} ms a step, {trial['sent_bytes'] / 1e6:.4g} MB sent"
    if trial["encode_ns"]:
        text += (
            f"; {trial['encode_ns'] / 1e6:.4g} ms encode, {trial['wire_ns'] / 1e6:.4g} wire, "
            f"{trial['decode_ns'] / 1e6:.4g} decode, which overlap"
        )
    return text
