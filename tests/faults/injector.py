"""Faults in file calls: `calls.c`, compiled, loaded in front of the C library, and steered from Python."""

from __future__ import annotations

import ctypes
import enum
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

__all__ = [
    "NO_COMPILER",
    "Fault",
    "attempt_in_child",
    "begin",
    "compiled",
    "end",
    "environment",
    "loaded",
    "run_with_library",
]

NO_COMPILER = 77
"""The exit status of a command that needs the library, where nothing can compile it."""


class Fault(enum.IntEnum):
    """What happens at a call."""

    NONE = 0
    FAILS = 1
    FAILS_FROM_NOW_ON = 2
    SHORT = 3
    KILLED_BEFORE = 4
    KILLED_AFTER = 5
    HANGS = 6


def compiled(folder: Path) -> Path | None:
    """The library, for LD_PRELOAD; None where there is no compiler."""
    compiler = shutil.which(os.environ.get("CXX", "c++"))
    if compiler is None:
        return None
    library, source = folder / "calls.so", Path(__file__).with_name("calls.c")
    flags = ["-xc", "-shared", "-fPIC", "-O1", "-Wall", "-Wextra"]
    subprocess.run([compiler, *flags, str(source), "-o", str(library), "-ldl"], check=True)
    return library


def environment(library: Path) -> dict[str, str]:
    """The environment of a process that is to have the library, behind a sanitizer's, which must be first."""
    before = os.environ.get("LD_PRELOAD")
    return {**os.environ, "LD_PRELOAD": f"{before}:{library}" if before else str(library)}


def loaded() -> bool:
    """Whether this process has it."""
    return hasattr(ctypes.CDLL(None), "faults_begin")


def run_with_library(module: str, arguments: Sequence[str], folder: Path) -> int:
    """The exit status of ``python -m module``, with the library in front; `NO_COMPILER` without one."""
    library = compiled(folder)
    if library is None:
        print("no C++ compiler")
        return NO_COMPILER
    command = [sys.executable, "-m", module, *arguments]
    return os.spawnve(os.P_WAIT, command[0], command, environment(library))


def begin(folder: Path, call: int = 0, fault: Fault = Fault.NONE, error: int = 0) -> None:
    """Count the calls below a folder from now on; that of this number, counted from 1, has the fault."""
    ctypes.CDLL(None).faults_begin(os.fsencode(folder), ctypes.c_long(call), int(fault), error)


def end() -> list[str]:
    """Count no more; the calls that there were."""
    library = ctypes.CDLL(None)
    library.faults_end()
    library.faults_names.restype = ctypes.c_char_p
    return str(library.faults_names().decode()).split()


def attempt_in_child(work: Callable[[], object]) -> int:
    """Do something in a forked child; the number of the signal that killed it, 0 if it came to its end."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return os.WTERMSIG(status)
    assert os.WEXITSTATUS(status) == 0, "the child failed, and was not killed"
    return 0
