"""The library with the emulated device, and the program that compares its ops with the CPU's."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from compiler import ROOT, compiler

CHECKS = ROOT / "tests/cuda"
FLAGS = ["-std=c++17", "-O1", "-ffp-contract=off", "-DCONVLET_CUDA_EMULATED", "-Wno-unknown-pragmas"]
# Before every access to memory comes a call into the emulated device; ThreadSanitizer's library is not linked.
CHECKED = ["-x", "c++", "-fsanitize=thread", "-fno-tree-vectorize", "-fno-tree-slp-vectorize"]


def run(*command: object) -> None:
    outcome = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


class DeviceLibrary:
    """All of the library, compiled by CMake for an emulated device."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        library = folder / "library"
        run("cmake", "-S", ROOT, "-B", library, "-DCONVLET_PYTHON=OFF", "-DCONVLET_CUDA=EMULATE")
        run("cmake", "--build", library, "--parallel", os.cpu_count() or 1)
        self.archive = library / "libconvlet.a"
        self.checks: list[Path] = []
        for source in sorted(CHECKS.glob("*_check.cpp")):
            if '"compare.h"' in source.read_text():
                self.checks.append(
                    self.compile(source, folder / f"{source.stem}.o", ["-Wall", "-Wextra", "-Werror"])
                )

    def compile(self, source: Path, target: Path, flags: Sequence[str], overlay: Path | None = None) -> Path:
        """Compile one file; headers in `overlay` come before the project's own."""
        folders = [
            *([overlay] if overlay else []),
            ROOT / "cuda/emulated/include",
            ROOT / "cpp/include",
            ROOT / "cpp",
            ROOT,
        ]
        run(compiler(), *FLAGS, *(f"-I{path}" for path in folders), *flags, "-c", source, "-o", target)
        return target

    def program(self, name: str, replaced: Sequence[Path] = ()) -> Path:
        """Link the checks, with these objects in place of the library's own."""
        program = self.folder / name
        run(compiler(), *self.checks, *replaced, self.archive, "-pthread", "-o", program)
        return program


def check(program: Path, order: str, *nouns: str) -> subprocess.CompletedProcess[str]:
    """Run the program with the threads of the device in some order."""
    return subprocess.run([program, order, *nouns], capture_output=True, text=True, timeout=300)


def skip_without_tools() -> None:
    """Skip the test where there is no CMake or no C++ compiler."""
    compiler()
    if not shutil.which("cmake"):
        pytest.skip("no CMake")
