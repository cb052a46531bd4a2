"""Faults planted in the kernels, one at a time, are noticed: by the emulated device, or by a wrong result."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from compiler import ROOT
from device_library import CHECKED, DeviceLibrary, check

pytestmark = pytest.mark.slow

KERNELS = "cuda/kernels"


class Fault(NamedTuple):
    """A planted fault: what is written where, what is then compiled and run, and how that ends."""

    name: str
    file: str
    text: str
    mutated: str
    source: str
    noun: str
    caught: str  # "finding" of the emulated device, or "wrong" result


FAULTS = [Fault(**fault) for fault in json.loads(Path(__file__).with_name("planted_faults.json").read_text())]


def test_every_kernel_with_shared_memory_has_a_missing_barrier_among_its_faults() -> None:
    for path in sorted((ROOT / KERNELS).glob("*.cu*")):
        if "__syncthreads()" in path.read_text():
            planted = [fault for fault in FAULTS if fault.file == path.name]
            assert any("__syncthreads" in f.text and "__syncthreads" not in f.mutated for f in planted), (
                path.name
            )


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_planted_fault_is_noticed(fault: Fault, device_library: DeviceLibrary, tmp_path: Path) -> None:
    original = (ROOT / KERNELS / fault.file).read_text()
    assert original.count(fault.text) == 1, "the table no longer fits the file"
    mutated = tmp_path / KERNELS / fault.file
    mutated.parent.mkdir(parents=True)
    mutated.write_text(original.replace(fault.text, fault.mutated))
    source = mutated if fault.file == fault.source else ROOT / KERNELS / fault.source
    object_file = device_library.compile(source, tmp_path / "mutated.o", CHECKED, overlay=tmp_path)
    program = device_library.program("mutated", [object_file])

    outcome: subprocess.CompletedProcess[str] | None = None
    for order in ("ascending", "descending", "random"):
        outcome = check(program, order, fault.noun)
        if outcome.returncode != 0:
            break
    assert outcome is not None
    last = outcome.stdout.splitlines()[-1] if outcome.stdout else outcome.stderr
    assert outcome.returncode == 1, last
    assert last.startswith(f"{fault.caught}: "), last
