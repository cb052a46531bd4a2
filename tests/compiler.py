"""The system's C++ compiler, for the tests that look below Python."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def compiler() -> str:
    """Path of the C++ compiler; skips the test where there is none."""
    path = shutil.which(os.environ.get("CXX", "c++"))
    if path is None:
        pytest.skip("no C++ compiler")
    return path


def compile_program(sources: Sequence[Path], program: Path, *flags: str) -> Path:
    """Compile and link the sources into a program."""
    includes = [f"-I{ROOT / folder}" for folder in ("cpp/include", "cpp", ".")]
    command = [
        compiler(),
        "-std=c++17",
        *includes,
        *flags,
        *map(str, sources),
        "-pthread",
        "-o",
        str(program),
    ]
    outcome = subprocess.run(command, capture_output=True, text=True)
    assert outcome.returncode == 0, f"{' '.join(command)}\n{outcome.stderr}"
    return program


def sanitizer_works(name: str, folder: Path) -> bool:
    """Whether a program built with a sanitizer links and runs; on some systems it does not."""
    source, program = folder / "empty.cpp", folder / "empty"
    source.write_text("int main() {}\n")
    built = subprocess.run([compiler(), f"-fsanitize={name}", source, "-o", program], capture_output=True)
    return built.returncode == 0 and subprocess.run([program], capture_output=True).returncode == 0
