"""The emulated device finds planted faults, and `cuda/device.cu` says what is wrong: programs in C++."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    "name, sources",
    [("emulator_check", ["device.cu"]), ("streams_check", []), ("device_check", ["device.cu"])],
)
def test_program_finds_all_as_expected(
    program_on_emulator: Callable[[str, list[str]], Path], name: str, sources: list[str]
) -> None:
    outcome = subprocess.run([program_on_emulator(name, sources)], capture_output=True, text=True)
    assert (outcome.returncode, outcome.stdout + outcome.stderr) == (0, "")
