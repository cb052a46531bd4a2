"""A build without CUDA, or a machine without a GPU, says so in one line wherever a device is asked for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from convlet import _core, cuda

CALLS: list[Callable[[], object]] = [
    cuda.device_info,
    cuda.synchronize,
    lambda: cuda.array([1.0]),
    lambda: cuda.as_device([1.0]),
    lambda: cuda.from_dlpack(np.ones(2, np.float32)),
    lambda: _core.from_cuda_array_interface(object()),
]


@pytest.mark.parametrize("call", CALLS)
def test_what_needs_a_device_says_why_there_is_none(call: Callable[[], object]):
    if cuda.is_available():
        pytest.skip("there is a device")
    assert cuda.status()
    with pytest.raises(RuntimeError, match=rf"^[a-z_.]+: device 'cuda' cannot be used: {cuda.status()}$"):
        call()
    assert cuda.allocated_bytes() == 0


def test_a_status_is_one_line():
    assert isinstance(cuda.status(), str)
    assert cuda.is_available() == (cuda.status() == "")
    assert "\n" not in cuda.status()
    assert not cuda.status().endswith(".")
