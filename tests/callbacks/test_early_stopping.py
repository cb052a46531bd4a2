"""Early stopping: when, at which net, and what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from convlet.callbacks import EarlyStopping
from convlet.trainer import Callback
from tolerances import assert_same_bits_by_name


class Keeping(Callback):
    """Keeps the weights of every epoch."""

    def __init__(self) -> None:
        self.weights: list[Any] = []

    def on_epoch(self, row: Any, trainer: Any) -> None:
        self.weights.append(trainer.net.state_dict())


@pytest.fixture
def noise(train: Any) -> Any:
    """Test images with labels drawn by lot, which training makes worse from the first epoch on."""
    return train[0][:50], np.random.default_rng(1).integers(0, 4, 50)


def test_it_stops_after_its_patience_and_restores_the_best_net(
    train: Any, noise: Any, trainer_of: Any
) -> None:
    kept, early = Keeping(), EarlyStopping(patience=3)
    trainer = trainer_of(1.0)
    history = trainer.fit(train, noise, epochs=50, callbacks=[kept, early])
    losses = [row.test_loss for row in history]
    best = int(np.argmin(losses))
    assert early.best_epoch == best + 1
    assert early.stopped_epoch == len(history) == best + 1 + 3 < 50
    assert_same_bits_by_name(trainer.net.parameters(), kept.weights[best])
    assert trainer.net.evaluate(*noise)[0] == pytest.approx(losses[best])


def test_without_restore_best_the_net_is_the_last(train: Any, noise: Any, trainer_of: Any) -> None:
    kept, trainer = Keeping(), trainer_of(1.0)
    trainer.fit(train, noise, epochs=50, callbacks=[kept, EarlyStopping(restore_best=False)])
    assert_same_bits_by_name(trainer.net.parameters(), kept.weights[-1])


def test_an_accuracy_is_better_if_larger_and_min_delta_says_by_how_much(train: Any, trainer_of: Any) -> None:
    early = EarlyStopping("train_accuracy", patience=2, min_delta=1.0)  # no accuracy grows by more
    history = trainer_of().fit(train, epochs=50, callbacks=[early])
    assert (len(history), early.best_epoch) == (3, 1)
    patient = EarlyStopping("train_accuracy", patience=2)
    figures = [row.train_accuracy for row in trainer_of().fit(train, epochs=50, callbacks=[patient])]
    assert figures[patient.best_epoch - 1] == max(figures) > figures[0]


def test_a_loss_that_is_no_number_is_no_better(train: Any, trainer_of: Any) -> None:
    images = train[0].astype(np.float32) * 1e30
    early = EarlyStopping("train_loss", patience=2)
    history = trainer_of(1e9).fit((images, train[1]), epochs=50, callbacks=[early])
    assert len(history) <= 4


def test_rows_of_a_run_that_goes_on_count(train: Any, noise: Any, trainer_of: Any) -> None:
    whole, first, second = trainer_of(1.0), trainer_of(1.0), trainer_of(1.0)
    early = EarlyStopping(patience=3)
    expected = whole.fit(train, noise, epochs=50, callbacks=[early])
    first.fit(train, noise, epochs=early.best_epoch + 1)
    again = EarlyStopping(patience=3)
    history = second.fit(train, noise, epochs=50, resume=first.checkpoint(), callbacks=[again])
    assert len(history) == len(expected)
    assert again.best_epoch == early.best_epoch


@pytest.mark.parametrize(
    "arguments, error, says",
    [
        ({"monitor": "loss"}, ValueError, "expected monitor to be one of test_loss, .*, got 'loss'"),
        ({"patience": 0}, ValueError, "expected patience of at least 1, got 0"),
        ({"min_delta": -1}, ValueError, "expected min_delta of at least 0, got -1"),
        ({"restore_best": 1}, TypeError, "expected restore_best to be True or False"),
    ],
)
def test_it_refuses(arguments: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=f"EarlyStopping: {says}"):
        EarlyStopping(**arguments)


def test_a_run_without_its_figure_is_refused_before_the_training(train: Any, trainer_of: Any) -> None:
    trainer = trainer_of()
    before = trainer.net.state_dict()
    with pytest.raises(
        ValueError, match="expected validation images for monitor='test_loss', got a run without"
    ):
        trainer.fit(train, callbacks=[EarlyStopping()])
    assert_same_bits_by_name(trainer.net.parameters(), before)
