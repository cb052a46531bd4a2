"""Programs in an interpreter of their own, for what one cannot try out in the process of the tests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from slower import SLOWER


def run_python(
    program: str | Path,
    *options: str,
    status: int = 0,
    command: tuple[str, ...] = (),
    environment: Mapping[str, str] | None = None,
    seconds: float = 120,
) -> str:
    """Run a program, text or a file, and return what it prints; it must say nothing on stderr.

    Args:
        program: Python.
        options: of the interpreter.
        status: with which it must end.
        command: what starts the interpreter, as ``("taskset", "-c", "0")``.
        environment: variables besides those of this process.
        seconds: that it may take, with a build for use.
    """
    what = [str(program)] if isinstance(program, Path) else ["-c", program]
    outcome = subprocess.run(
        [*command, sys.executable, *options, *what],
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=seconds * SLOWER,
    )
    assert (outcome.returncode, outcome.stderr) == (status, ""), outcome.stdout + outcome.stderr
    return outcome.stdout
