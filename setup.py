"""Builds the extension with CMake, which alone knows sources and flags."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext


class CMakeBuild(build_ext):
    """Configures, builds and installs `lmgc_torch/_C` where setuptools expects it."""

    def build_extension(self, ext: Extension) -> None:
        root = Path(__file__).resolve().parent
        prefix = Path(self.get_ext_fullpath(ext.name)).resolve().parent.parent
        build = root / "build" / f"cmake-{sys.implementation.cache_tag}"
        configure = [
            "cmake",
            "-S",
            root,
            "-B",
            build,
            "-G",
            "Ninja",
            f"-DPython_EXECUTABLE={sys.executable}",
            *shlex.split(os.environ.get("CMAKE_ARGS", "")),
        ]
        subprocess.run(configure, check=True)
        subprocess.run(
            ["cmake", "--build", build, "--parallel", str(os.cpu_count() or 1)], check=True
        )
        subprocess.run(["cmake", "--install", build, "--prefix", prefix], check=True)


setup(ext_modules=[Extension("lmgc_torch._C", [])], cmdclass={"build_ext": CMakeBuild})
