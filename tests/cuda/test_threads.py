"""Device arrays from several threads of Python, and in a child that was forked."""

from __future__ import annotations

import os
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from convlet import cuda
from convlet import functional as f
from tolerances import assert_same_bits

pytestmark = pytest.mark.usefixtures("device")


def test_several_threads_get_the_bits_of_one(rng: np.random.Generator):
    x = rng.integers(-4, 5, (4, 3, 9, 9)).astype(np.float32)
    weight = rng.integers(-4, 5, (2, 3, 3, 3)).astype(np.float32)
    expected = f.conv2d(x, weight)

    def run(_: int) -> np.ndarray:
        y = f.conv2d(cuda.array(x), cuda.array(weight))
        return cuda.from_dlpack(y.copy()).to_numpy()

    with ThreadPoolExecutor(4) as pool:
        for y in pool.map(run, range(12)):
            assert_same_bits(y, expected)


def test_a_forked_child_learns_that_the_device_is_its_parents():
    array = cuda.array([1.0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking a process with threads
        child = os.fork()
    if child == 0:
        try:
            f.relu(array)
        except RuntimeError as error:
            os._exit(0 if "relu: device 'cuda' cannot be used: CUDA was init" in str(error) else 2)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
