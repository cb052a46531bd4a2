"""The picture of a run."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from convlet import plots
from convlet.history import History


def run_of(epochs: int, tested: bool = True) -> History:
    rows = [
        {
            "epoch": epoch,
            "train_loss": 2.3 / epoch,
            "train_accuracy": 1 - 1 / (epoch + 1),
            "test_loss": 2.4 / epoch if tested else None,
            "test_accuracy": 1 - 1 / (epoch + 0.5) if tested else None,
            "seconds": 1.0,
            "images_per_second": 60_000.0,
        }
        for epoch in range(1, epochs + 1)
    ]
    return History(rows)


def test_the_curves_are_the_figures_of_the_history(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    history = run_of(3)
    history.within.append((0.5, 2.32, 0.2))
    figure = plots.curves(history, tmp_path / "curves.png")
    (axes,) = figure.axes
    lines = {line.get_label(): np.transpose(line.get_data()).tolist() for line in axes.get_lines()}
    assert list(lines) == ["train loss", "train accuracy", "test accuracy"]
    assert lines["train loss"][0] == [0.5, 2.32]  # a point within the first epoch comes before its row
    assert lines["train loss"][1:] == [[row.epoch, row.train_loss] for row in history]
    assert lines["train accuracy"][1:] == [[row.epoch, row.train_accuracy] for row in history]
    assert lines["test accuracy"] == [[row.epoch, row.test_accuracy] for row in history]
    assert [line.get_linestyle() for line in axes.get_lines()] == ["-", "--", "-."]
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_the_ending_of_the_path_says_the_format(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    plots.curves(run_of(1, tested=False), tmp_path / "curves.svg")
    assert "<svg" in (tmp_path / "curves.svg").read_text()
    with pytest.raises(ValueError, match="xyz"):
        plots.curves(run_of(1), tmp_path / "curves.xyz")


def test_a_history_without_rows_is_refused() -> None:
    pytest.importorskip("matplotlib")
    with pytest.raises(ValueError, match="at least one epoch"):
        plots.curves(History())


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r'pip install "convlet\[plots\]"'):
        plots.curves(run_of(1))
