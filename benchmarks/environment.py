"""Where and when a benchmark ran: machine, date and versions, for the JSON beside its numbers."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path


def processor() -> str:
    """Name of the processor as Linux tells it, else what `platform` knows."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Installed version of each package; "absent" for those that are not installed."""
    found = {}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "absent"
    return found


EVERYTHING = (":/", ":(top,exclude)benchmarks/results")
PACKAGE = (":/csrc", ":/lmgc_torch", ":/CMakeLists.txt", ":/setup.py")


def commit(paths: Iterable[str] = EVERYTHING) -> str:
    """Short hash of the last commit of `paths`, with "+" if they differ from it; else "unknown"."""
    here = Path(__file__).resolve().parent
    git = ("git", "-C", str(here))
    last = [*git, "log", "-1", "--format=%h", "--", *paths]
    changed = [*git, "diff", "--quiet", "HEAD", "--", *paths]
    try:
        name = subprocess.run(last, capture_output=True, text=True, check=True).stdout.strip()
        return name + "+" * subprocess.run(changed, capture_output=True).returncode
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def environment(packages: Iterable[str]) -> dict[str, object]:
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": versions(packages),
    }
