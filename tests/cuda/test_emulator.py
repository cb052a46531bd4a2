"""The emulated device finds planted faults, and `cuda/device.cu` says what is wrong: programs in C++."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from compiler import ROOT, compiler, sanitizer_works
from emulator import FLAGS, run


@pytest.mark.parametrize(
    "name, sources",
    [("emulator_check", ["device.cu"]), ("streams_check", []), ("device_check", ["device.cu"])],
)
def test_program_finds_all_as_expected(
    program_on_emulator: Callable[[str, list[str]], Path], name: str, sources: list[str]
) -> None:
    outcome = subprocess.run([program_on_emulator(name, sources)], capture_output=True, text=True)
    assert (outcome.returncode, outcome.stdout + outcome.stderr) == (0, "")


@pytest.mark.slow
@pytest.mark.parametrize("sanitizer", ["address", "undefined", "thread"])
def test_sanitizer_follows_the_threads_of_a_block(sanitizer: str, tmp_path: Path) -> None:
    if not sanitizer_works(sanitizer, tmp_path):
        pytest.skip(f"the {sanitizer} sanitizer does not work here")
    sources = [*(ROOT / "cuda/emulated").glob("*.cpp"), ROOT / "cuda/device.cu"]
    sources.append(Path(__file__).with_name("emulator_check.cpp"))
    flags = [*FLAGS, "-O1", f"-fsanitize={sanitizer}", "-fno-sanitize-recover=all", "-x", "c++"]
    program = tmp_path / "check"
    run(compiler(), *flags, *sources, "-o", program, folder=tmp_path)
    outcome = subprocess.run([program, "right"], capture_output=True, text=True)
    assert (outcome.returncode, outcome.stdout + outcome.stderr) == (0, "")
