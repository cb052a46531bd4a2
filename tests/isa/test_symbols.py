"""The objects of the instruction sets, as the linker sees them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from compiler import ROOT


@pytest.mark.skipif(not shutil.which("nm"), reason="needs nm")
def test_files_of_an_instruction_set_share_no_code_with_the_rest(objects: Path) -> None:
    command = [sys.executable, ROOT / "scripts/check_symbols.py", "--objects", objects]
    outcome = subprocess.run(command, capture_output=True, text=True)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
