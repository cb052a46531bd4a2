"""The objects of the instruction sets, as the linker sees them."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from compiler import ROOT, compiler


@pytest.mark.skipif(not (shutil.which("cmake") and shutil.which("nm")), reason="needs CMake and nm")
def test_files_of_an_instruction_set_share_no_code_with_the_rest() -> None:
    compiler()
    command = [sys.executable, ROOT / "scripts/check_symbols.py"]
    outcome = subprocess.run(command, capture_output=True, text=True)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
