"""What tests of the device begin with: a device, or the reason why there is none."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest


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
