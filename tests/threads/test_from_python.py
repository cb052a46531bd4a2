"""The compiled kernels among Python's own threads, processes and exits."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from convlet import functional
from slower import SLOWER

PARALLEL_CALL = """
import numpy as np
from convlet import _core, functional
_core.set_threads(3)
x, weight = np.ones((64, 3, 32, 32), np.float32), np.ones((8, 3, 5, 5), np.float32)
def call():
    return float(functional.conv2d(x, weight).sum())
expected = 64 * 8 * 28 * 28 * 75.0
assert call() == expected
"""


def run_python(program: str) -> None:
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", PARALLEL_CALL + program]
    outcome = subprocess.run(command, capture_output=True, text=True, timeout=60 * SLOWER)
    assert (outcome.returncode, outcome.stderr) == (0, "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_forked_child_computes_after_its_parent_did() -> None:
    run_python("""
import os
for _ in range(10):
    child = os.fork()
    if child == 0:
        os._exit(0 if call() == expected else 1)
    assert os.waitpid(child, 0)[1] == 0
assert call() == expected
""")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_worker_processes_compute_after_their_parent_did() -> None:
    run_python("""
import multiprocessing
with multiprocessing.get_context("fork").Pool(2) as pool:
    assert [pool.apply(call) for _ in range(4)] == [expected] * 4
""")


def test_interpreter_exits_cleanly_while_a_daemon_thread_computes() -> None:
    run_python("""
import threading, time
def forever():
    while True:
        call()
threading.Thread(target=forever, daemon=True).start()
time.sleep(0.05)
""")


def test_python_threads_compute_side_by_side(threads: int) -> None:
    rng = np.random.default_rng(0)
    inputs = [rng.standard_normal((17, 3, 12, 12), dtype=np.float32) for _ in range(8)]
    weight = rng.standard_normal((5, 3, 3, 3), dtype=np.float32)
    expected = [functional.conv2d(x, weight) for x in inputs]
    with ThreadPoolExecutor(4) as executor:
        for _ in range(10):
            for y, known in zip(
                executor.map(lambda x: functional.conv2d(x, weight), inputs), expected, strict=True
            ):
                np.testing.assert_array_equal(y, known)
