"""The library that makes allocations fail, built once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from compiler import ROOT, compiler
from slower import SANITIZED


@pytest.fixture(scope="session")
def failing_malloc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a program must be started with in front of all libraries (``LD_PRELOAD``)."""
    if sys.platform != "linux" or SANITIZED:
        pytest.skip("stands in front of the GNU C library's malloc")
    built = tmp_path_factory.mktemp("failing") / "failing_malloc.so"
    warnings = ["-Wall", "-Wextra", "-Werror"]
    # It must not bring the C++ library along, which would change what a thread has from its start.
    alone = ["-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics", "-Wl,--as-needed"]
    source = ROOT / "tests/processes/failing_malloc.cpp"
    command = [compiler(), "-std=c++17", "-O1", "-fPIC", "-shared", *warnings, *alone]
    done = subprocess.run([*command, source, "-o", built, "-ldl"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return built
