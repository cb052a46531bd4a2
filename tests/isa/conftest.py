"""The object files of the instruction sets, compiled once for all the tests that look into them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from compiler import ROOT, compiler


@pytest.fixture(scope="session")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that they are in."""
    compiler()
    if not shutil.which("cmake"):
        pytest.skip("no CMake")
    folder = tmp_path_factory.mktemp("objects")
    subprocess.run([sys.executable, ROOT / "scripts/isa_objects.py", folder], check=True)
    return folder
