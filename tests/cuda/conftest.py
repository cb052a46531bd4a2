"""The emulated device, compiled once for all the programs that run on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from compiler import ROOT, compiler
from emulator import CHECKED, FLAGS, run


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
