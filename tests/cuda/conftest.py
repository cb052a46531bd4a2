"""What tests of the device need: a device, or why there is none; programs on the emulated one."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from compiler import ROOT, compiler
from device_library import DeviceLibrary, skip_without_tools
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


@pytest.fixture(scope="session")
def device_library(tmp_path_factory: pytest.TempPathFactory) -> DeviceLibrary:
    """The library with the emulated device."""
    skip_without_tools()
    return DeviceLibrary(tmp_path_factory.mktemp("device"))


@pytest.fixture
def device() -> Iterator[str]:
    """The device's name; at the end of the test its arrays hold no more memory than before."""
    from convlet import _core

    if reason := _core.cuda_status():
        pytest.skip(reason)
    gc.collect()
    before = _core.cuda_allocated_bytes()
    yield str(_core.cuda_info()["name"])
    gc.collect()
    assert _core.cuda_allocated_bytes() <= before


@pytest.fixture
def emulated(device: str) -> str:
    """The emulated device, whose memory other libraries of the CPU share."""
    from convlet import _core

    if not _core.cuda_info()["emulated"]:
        pytest.skip("the device is real, and its memory is not the CPU's")
    return device


@pytest.fixture
def hardware(device: str) -> str:
    """A real GPU."""
    from convlet import _core

    if _core.cuda_info()["emulated"]:
        pytest.skip("the device is emulated, and no library of the GPU can see it")
    return device
