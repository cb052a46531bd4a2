"""Every op of the device has the bits of the CPU's, on an emulated device that looks for faults of memory."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from compiler import ROOT
from convlet import _core
from device_library import DeviceLibrary, check

pytestmark = pytest.mark.slow

NOUNS = (
    "activation",
    "augment",
    "conv2d",
    "cross_entropy",
    "lenet",
    "linear",
    "optimizer",
    "pack",
    "pool2d",
    "softmax",
    "tile_shape",
)


@pytest.fixture(scope="module")
def program(device_library: DeviceLibrary) -> Path:
    if set(_core.available_isas()) == {"baseline"}:
        pytest.skip("without fused multiply-adds the CPU has other bits")
    return device_library.program("ops_check")


@pytest.mark.parametrize("order", ["ascending", "descending", "random"])
def test_ops_equal_those_of_the_cpu_in_every_order_of_threads(order: str, program: Path) -> None:
    outcome = check(program, order)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert re.findall(r"^(\w+) is right$", outcome.stdout, flags=re.MULTILINE) == list(NOUNS)


def test_kernels_use_no_other_shared_memory_and_no_other_launch() -> None:
    for path in (ROOT / "cuda/kernels").glob("*.cu*"):
        text = re.sub(r"//[^\n]*", "", path.read_text())
        if path.name != "device.cuh":
            assert "__shared__" not in text, path.name
        assert "<<<" not in text, path.name
        assert not re.search(r"atomic\w+\([^)]*float", text), path.name
