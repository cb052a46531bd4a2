"""Programs on several ranks of MPI, where mpi4py and mpiexec are installed."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from mpi_launch import Launch, Outcome, environment, mpiexec_path
from slower import SLOWER
from small_mnist import write_small_mnist


@pytest.fixture(scope="session")
def mpiexec() -> list[str]:
    """The command, or the reason why there is none."""
    pytest.importorskip("mpi4py", reason='needs mpi4py: pip install "convlet[mpi]"')
    path = mpiexec_path()
    if path is None:
        pytest.skip('needs mpiexec: pip install "convlet[mpi]"')
    return [path, "--oversubscribe", "--bind-to", "none"]


@pytest.fixture(scope="session")
def launch(mpiexec: list[str]) -> Launch:
    """Run a program, or one for each rank, on so many ranks."""

    def run(ranks: int, *program: str, each: Sequence[Sequence[str]] = (), seconds: float = 60) -> Outcome:
        parts = [["-n", "1", sys.executable, *one] for one in each]
        command = [*mpiexec, "-n", str(ranks), sys.executable, *program]
        if parts:
            command = [*mpiexec, *parts[0], *(word for part in parts[1:] for word in (":", *part))]
        begin = time.monotonic()
        done = subprocess.run(
            command, env=environment(), capture_output=True, text=True, timeout=seconds * SLOWER
        )
        return Outcome(done.returncode, done.stdout, done.stderr, time.monotonic() - begin)

    return run


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_mnist(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def train(data_dir: Path) -> list[str]:
    """Python's arguments for a short run of ``convlet train``."""
    where = ["--data", "mnist", "--data-dir", str(data_dir)]
    return ["-m", "convlet", "train", *where, "--batch-size", "96"]
