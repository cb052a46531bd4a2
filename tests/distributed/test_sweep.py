"""``mpiexec -n N convlet sweep --distributed``: the same table from other processes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import convlet
from mpi_launch import Launch
from slower import SLOWER

OPTIONS = ["--seeds", "0-3", "--train-size", "200", "--epochs", "1"]


def without_times(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def test_ranks_make_the_table_of_one_machine(launch: Launch, tmp_path: Path) -> None:
    out = tmp_path / "ranks"
    outcome = launch(3, "-m", "convlet", "sweep", "--distributed", *OPTIONS, "--out", str(out))
    assert outcome.status == 0, outcome.err
    here = convlet.sweep("digits", range(4), train_size=200, epochs=1, workers=1)
    assert without_times(json.loads((out / "table.json").read_text())["nets"]) == without_times(here.rows())


def test_what_is_wrong_ends_all_ranks_with_one_line(launch: Launch, tmp_path: Path) -> None:
    outcome = launch(2, "-m", "convlet", "sweep", "--distributed", "--seeds", "1,1", "--out", str(tmp_path))
    assert outcome.status != 0
    assert outcome.seconds < 10 * SLOWER
    assert outcome.err.startswith("convlet: rank 0: sweep: expected seeds that differ")
