"""The emulated device, compiled once for all the programs that run on it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from compiler import ROOT, compiler

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


@pytest.fixture(scope="session")
def program_on_emulator(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, list[str]], Path]:
    """A function that builds one of this folder's programs together with sources of `cuda/`."""
    cxx = compiler()
    emulator = tmp_path_factory.mktemp("emulator")
    run(cxx, *FLAGS, "-c", *sorted((ROOT / "cuda/emulated").glob("*.cpp")), folder=emulator)

    def build(name: str, sources: list[str]) -> Path:
        folder = tmp_path_factory.mktemp(name)
        program = Path(__file__).with_name(f"{name}.cpp")
        run(cxx, *FLAGS, *CHECKED, "-c", program, *(ROOT / "cuda" / path for path in sources), folder=folder)
        run(cxx, *folder.glob("*.o"), *emulator.glob("*.o"), "-pthread", "-o", folder / name, folder=folder)
        return folder / name

    return build
