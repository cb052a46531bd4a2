"""What a table makes of its results."""

from __future__ import annotations

import csv
import json
import math
import statistics
from pathlib import Path
from typing import Any

import pytest

from convlet import plots
from convlet.sweeps import Job, Result, Table


def job(lr: float, seed: int) -> Job:
    return Job("digits", None, 100, None, "d2l", 2, 256, lr, seed)


def result(lr: float, seed: int, accuracy: float) -> Result:
    rows: list[dict[str, Any]] = [
        {
            "epoch": epoch,
            "train_loss": 2.0 / epoch,
            "train_accuracy": 0.5,
            "test_loss": 1.0,
            "test_accuracy": accuracy * epoch / 2,
        }
        for epoch in (1, 2)
    ]
    return Result(job(lr, seed), rows, 0.5)


RESULTS = [
    result(0.3, 0, 0.7),
    result(0.3, 1, 0.8),
    result(0.3, 2, 0.75),
    result(0.9, 0, 0.9),
    Result(job(0.9, 1), error="ValueError: no, never"),
]


def test_groups_have_mean_spread_and_best_over_the_seeds() -> None:
    low, high = Table(RESULTS).groups()
    accuracies = [0.7, 0.8, 0.75]
    assert (low.lr, low.batch_size, low.nets, low.failed) == (0.3, 256, 3, 0)
    assert low.mean == pytest.approx(statistics.fmean(accuracies))
    assert low.sd == pytest.approx(statistics.stdev(accuracies))
    assert (low.lowest, low.highest, low.best_seed, low.loss) == (0.7, 0.8, 1, 1.0)
    assert (high.nets, high.failed, high.mean, high.sd, high.best_seed) == (2, 1, 0.9, None, 0)


def test_the_best_is_the_highest_and_a_failed_one_never() -> None:
    assert Table(RESULTS).best is RESULTS[3]
    failed = Table(RESULTS[4:])
    assert failed.best is None
    assert failed.groups()[0].mean is None
    assert math.isnan(RESULTS[4].accuracy)


def test_files_hold_every_net_with_its_figures_or_its_error(tmp_path: Path) -> None:
    table = Table(RESULTS)
    table.save_json(tmp_path / "table.json")
    table.save_csv(tmp_path / "table.csv")
    content = json.loads((tmp_path / "table.json").read_text())
    assert content == table.to_dict()
    assert content["best"]["test_accuracy"] == 0.9
    with (tmp_path / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["lr"], row["seed"], row["test_accuracy"]) for row in rows][2:4] == [
        ("0.3", "2", "0.75"),
        ("0.9", "0", "0.9"),
    ]
    assert (rows[4]["test_accuracy"], rows[4]["error"]) == ("", "ValueError: no, never")


def test_the_picture_has_a_line_and_a_column_of_dots_for_each_setting(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    figure = plots.sweep(Table(RESULTS), tmp_path / "sweep.png")
    over_epochs, at_end = figure.axes
    (line, other) = over_epochs.lines
    assert list(line.get_ydata()) == pytest.approx([0.375, 0.75])
    assert list(other.get_ydata()) == pytest.approx([0.45, 0.9])
    assert list(at_end.lines[0].get_ydata()) == [0.7, 0.8, 0.75]
    assert (tmp_path / "sweep.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="expected a table with a net that came to an end"):
        plots.sweep(Table(RESULTS[4:]))
