"""Every allocation of a call fails in turn: MemoryError each time, and the next call has the right bits."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from compiler import ROOT

WALK = ROOT / "tests/allocation_walk.py"
SOME = [
    "conv2d, 21 images",
    "conv2d_backward on three threads",
    "max_pool2d, 21 images",
    "cross_entropy_backward, 21 images",
    "net(x), 400 images",
    "loss_and_gradients with dropout",
    "fit, Adam, augmented",
    "steps of Adam",
]
"""Those that find their way through most of the library's code; all of them take some minutes."""


def walk(library: Path, *arguments: str) -> dict[str, int]:
    """How many allocations failed of each call that was walked through."""
    outcome = subprocess.run(
        [sys.executable, WALK, *arguments],
        env={**os.environ, "LD_PRELOAD": str(library), "PYTHONWARNINGS": "ignore::DeprecationWarning"},
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert (outcome.returncode, outcome.stderr) == (0, ""), outcome.stdout + outcome.stderr
    lines = re.findall(r"^(.*): (\d+) failed in turn: ", outcome.stdout, re.MULTILINE)
    return {name: int(count) for name, count in lines}


def test_each_allocation_of_the_module_fails_once(failing_malloc: Path) -> None:
    counts = walk(failing_malloc, *SOME)
    assert list(counts) == SOME
    assert all(count > 3 for count in counts.values()), counts


def test_hundreds_of_failures_leave_a_process_that_works(failing_malloc: Path) -> None:
    counts = walk(failing_malloc, "--used", "--whose", "numpy", *SOME)
    assert all(count > 3 for count in counts.values()), counts


def test_memory_that_stays_short_leaves_a_process_that_works(failing_malloc: Path) -> None:
    some = ["conv2d on three threads", "loss_and_gradients", "steps of SGD"]
    assert all(count > 3 for count in walk(failing_malloc, "--lasting", *some).values())


@pytest.mark.slow
def test_each_allocation_of_all_calls_fails(failing_malloc: Path) -> None:
    walk(failing_malloc)
