"""How programs are started on several ranks of MPI, and what they come to."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

PROGRAM = Path(__file__).parent / "distributed/train_program.py"


class Outcome(NamedTuple):
    status: int
    out: str
    err: str
    seconds: float


Launch = Callable[..., Outcome]


def mpiexec_path() -> str | None:
    beside = Path(sys.executable).with_name("mpiexec")
    return str(beside) if beside.exists() else shutil.which("mpiexec")


def environment() -> dict[str, str]:
    """One thread a rank; Open MPI may run as root, and more ranks than there are processors."""
    own = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "CONVLET_THREADS": "1"}
    return {**os.environ, **own}
