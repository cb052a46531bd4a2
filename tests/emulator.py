"""How programs are compiled for the emulated device, without CMake."""

from __future__ import annotations

import subprocess
from pathlib import Path

from compiler import ROOT

FLAGS = [
    "-std=c++17",
    "-O2",
    "-pthread",
    "-ffp-contract=off",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Wno-unknown-pragmas",
    '-DCONVLET_CUDA_ARCHITECTURES="emulated"',
    *(f"-I{ROOT / folder}" for folder in ("cuda/emulated/include", "cpp/include", "cpp", ".")),
]
# Before every access comes a call into the emulated device; the library of ThreadSanitizer is not linked.
CHECKED = ["-x", "c++", "-fsanitize=thread", "-fno-tree-vectorize", "-fno-tree-slp-vectorize"]


def run(*command: str | Path, folder: Path) -> None:
    outcome = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
