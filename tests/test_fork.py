"""Processes that code, fork and go on: no hang, the same bits in parent and child."""

import subprocess
import sys
from pathlib import Path

import pytest

from ddp_launch import launch

PROGRAM = Path(__file__).with_name("fork_program.py")


@pytest.mark.parametrize("scenario", ["forked", "loader", "beside_threads"])
def test_children_code_as_their_parent(scenario: str) -> None:
    done = subprocess.run(
        [sys.executable, PROGRAM, scenario], capture_output=True, text=True, timeout=120
    )
    assert done.stdout == "same bits\n", done.stderr


def test_ranks_fork_beside_their_hook() -> None:
    """Children code for themselves, are refused hook and collectives by name, and end; training
    goes on."""
    first, second = reports = launch("forks", 2)
    for report in reports:
        assert report["turns"] == 6 and report["averaged"]
        for codes, hook_error, collective_error, end, exit_code in report["children"]:
            assert codes and end == "ended" and exit_code == 0
            assert "RuntimeError: lmgc_torch hook on rank" in hook_error
            for error in (hook_error, collective_error):
                assert "forked" in error and "spawn" in error
    assert first["checksum"] == second["checksum"]
