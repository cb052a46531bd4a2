"""Two ranks on two hosts: network namespaces joined by a cable of limited rate, with and without a delay."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import team_runs as cases
from mpi_launch import PROGRAM, environment
from slower import SLOWER
from tolerances import assert_same_bits_by_name

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def network(monkeypatch: pytest.MonkeyPatch, *, delay: bool) -> Any:
    """The module, or the reason why there are no namespaces here."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    module = importlib.import_module("network")
    reason = module.missing(relay=delay)
    if reason:
        pytest.skip(reason)
    return module


@pytest.mark.parametrize("delay", [0.0, 0.002], ids=["rate", "rate and delay"])
def test_ranks_on_two_hosts_have_the_bits_of_one_process(
    delay: float, mpiexec: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = network(monkeypatch, delay=delay > 0)
    one = cases.fit(cases.trainer("momentum", "weighted"), epochs=2)
    program = [sys.executable, str(PROGRAM), str(tmp_path), "optimizer=momentum", "loss=weighted"]
    try:
        with module.Network(1000.0, delay) as hosts:
            command = hosts.mpiexec(mpiexec[0], [*program, "exact=1", "epochs=2"])
            done = subprocess.run(
                command, env=environment(), capture_output=True, text=True, timeout=60 * SLOWER
            )
    except module.UnavailableError as error:
        pytest.skip(str(error))
    assert done.returncode == 0, done.stderr
    for rank in (0, 1):
        file = np.load(tmp_path / f"rank{rank}.npz")
        assert_same_bits_by_name({name: file[name] for name in file.files}, one, f"rank {rank}")
    left = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True).stdout
    assert not [host for host in hosts.hosts if host in left]
