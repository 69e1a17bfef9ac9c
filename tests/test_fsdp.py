"""FSDP and HSDP on real process groups: the bits of the same without compression."""

from ddp_fsdp import CASES
from ddp_launch import launch


def test_fsdp_has_the_same_bits_at_every_step() -> None:
    for report in launch("fsdp", 2):
        assert report["order"]
        for name in CASES:
            for parameters in (False, True):
                assert report[f"{name}, {parameters}"]["same"], (name, parameters)
            reductions = report[f"{name}, False"]["calls"]
            assert 0 < reductions < report[f"{name}, True"]["calls"]
        assert "expected a module of fully_shard, got Linear" in report["error"]


def test_hsdp_has_the_same_bits_at_every_step_and_learns() -> None:
    for report in launch("hsdp", 4):
        for name in CASES:
            # In float16 FSDP scales at other places by itself, where small values underflow.
            assert report[name]["same"] or name == "float16"
            assert report[name]["identical"] and report[name]["histories"] > 0
            sizes = report[name]["sizes"]
            assert sizes[7] < 0.97 * sizes[1]  # of steps with the same parameters
        assert 'use fully_shard(module, mesh=mesh["shard"])' in report["error"]
