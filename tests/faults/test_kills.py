"""Some of the kills of `python -m tests.faults.kills`, which makes 300."""

from __future__ import annotations

import subprocess
import sys

import pytest

from compiler import ROOT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs inotify")


def test_a_training_that_is_killed_goes_on_to_the_same_bits() -> None:
    command = [sys.executable, "-m", "tests.faults.kills", "--kills", "5"]
    outcome = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert outcome.returncode == 0, outcome.stderr
    counts = {what: int(n) for n, what in (line.split(None, 1) for line in outcome.stdout.splitlines()[:-1])}
    assert counts["kills"] == 5
    assert counts["checkpoints that were whole"] == 5
    assert counts["resumed to the same bits"] == 5
