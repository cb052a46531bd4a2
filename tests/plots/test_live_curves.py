"""Curves that grow while a net is trained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convlet import Trainer, datasets, nn, optim, plots
from notebook_cell import enter_notebook


def train(**callbacks: Any) -> Trainer:
    data = datasets.Digits(size=300)
    trainer = Trainer(nn.LeNet(seed=0), optim.SGD(0.5), nn.CrossEntropyLoss())
    trainer.fit(data, data, epochs=3, batch_size=50, **callbacks)
    return trainer


@pytest.mark.usefixtures("draws")
def test_in_a_notebook_one_picture_follows_the_training(monkeypatch: pytest.MonkeyPatch):
    cell = enter_notebook(monkeypatch)
    train(on_epoch=plots.LiveCurves())
    (states,) = cell.shown
    assert len(states) == 3
    points = [len(picture.axes[0].get_lines()[0].get_xdata()) for picture in states]
    assert points == [1, 2, 3]


@pytest.mark.usefixtures("draws")
def test_elsewhere_the_picture_is_saved_after_every_epoch(tmp_path: Path):
    live = plots.LiveCurves(path=tmp_path / "curves.png")
    sizes = []

    def on_epoch(row: Any) -> None:
        live(row)
        sizes.append((tmp_path / "curves.png").stat().st_size)

    trainer = train(on_epoch=on_epoch)
    assert len(set(sizes)) == 3
    (axes,) = live.picture.axes
    losses = axes.get_lines()[0].get_ydata()
    np.testing.assert_array_equal(losses, [row.train_loss for row in trainer.history])


@pytest.mark.usefixtures("draws")
def test_running_figures_are_kept_five_an_epoch():
    from convlet.trainer.epoch import Progress

    live = plots.LiveCurves(epochs=2, images=100)
    for images in range(1, 101):
        live.on_progress(Progress(2, images, 1.0, 0.5, 1e5))
    assert [round(done, 2) for done, _, _ in live.within] == [1.2, 1.4, 1.6, 1.8]
    assert live.picture.axes[0].get_xlim() == (1.0, 2.0)


@pytest.mark.usefixtures("draws")
def test_curves_within_an_epoch_need_to_know_its_length():
    from convlet.trainer.epoch import Progress

    with pytest.raises(ValueError, match="expected images, the number of them in an epoch"):
        plots.LiveCurves().on_progress(Progress(1, 10, 1.0, 0.5, 1e5))
    with pytest.raises(ValueError, match="expected at least one figure"):
        _ = plots.LiveCurves().picture


@pytest.mark.usefixtures("draws")
def test_what_is_missing_is_told_before_the_training(refuses: Callable[..., None]):
    refuses(plots.LiveCurves)
