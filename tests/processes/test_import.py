"""The module is loaded after libraries that have used what all share."""

from __future__ import annotations

from pathlib import Path

from compiler import compile_program
from python_program import run_python

CALLS_ONCE = """
#include <mutex>
std::once_flag flag;
int calls = 0;
extern "C" int call() { std::call_once(flag, [] { ++calls; }); return calls; }
"""

PROGRAM = """
import ctypes
assert ctypes.CDLL({library!r}).call() == 1
import numpy as np
from convlet import functional
print(functional.relu(np.array([-1, 2], np.float32)))
"""


def test_the_module_is_loaded_after_a_library_that_calls_once(tmp_path: Path) -> None:
    """As ONNX Runtime: thread-local variables of the C++ library then stand where that library found them."""
    (tmp_path / "once.cpp").write_text(CALLS_ONCE)
    library = compile_program([tmp_path / "once.cpp"], tmp_path / "once.so", "-fPIC", "-shared")
    assert run_python(PROGRAM.format(library=str(library))) == "[0. 2.]\n"
