"""The best epoch as a file: which one it is, and that it is a net and a place to go on from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convlet.callbacks import BestCheckpoint
from convlet.checkpoint import load_checkpoint, load_net
from tolerances import assert_same_bits_by_name


def test_the_file_is_the_net_of_the_best_epoch_and_a_checkpoint(
    train: Any, trainer_of: Any, tmp_path: Path
) -> None:
    noise = train[0][:50], np.random.default_rng(1).integers(0, 4, 50)
    path = tmp_path / "new" / "best.safetensors"
    best = BestCheckpoint(path, classes=("a", "b", "c", "d"))
    history = trainer_of(1.0).fit(train, noise, epochs=6, callbacks=[best])
    losses = [row.test_loss for row in history]
    assert best.best_epoch == int(np.argmin(losses)) + 1 < 6
    saved = load_net(path)
    assert saved.net.evaluate(*noise)[0] == pytest.approx(min(losses))
    assert (saved.input_shape, saved.classes) == ((1, 8, 8), tuple("abcd"))
    again = trainer_of(1.0)
    again.fit(train, noise, epochs=6, resume=load_checkpoint(path))
    whole = trainer_of(1.0)
    whole.fit(train, noise, epochs=6)
    assert_same_bits_by_name(again.net.parameters(), whole.net.parameters())


def test_a_disk_that_fills_up_leaves_the_previous_file_and_the_history(
    train: Any, trainer_of: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "best.safetensors"
    trainer = trainer_of()
    trainer.fit(train, epochs=1, callbacks=[BestCheckpoint(path, "train_loss")])
    before = path.read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        trainer.fit(train, epochs=2, callbacks=[BestCheckpoint(path, "train_loss")])
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    assert len(trainer.history) == 1


def test_a_run_that_goes_on_writes_the_best_epoch_that_a_kill_left_unwritten(
    train: Any, trainer_of: Any, tmp_path: Path
) -> None:
    path, first, second = tmp_path / "best.safetensors", trainer_of(0.02), trainer_of(0.02)
    first.fit(train, epochs=1, callbacks=[BestCheckpoint(path, "train_loss")])
    first.fit(train, epochs=2, resume=first.checkpoint())  # killed before the callback's turn
    assert load_checkpoint(path).epoch == 1
    best = BestCheckpoint(path, "train_loss")
    second.fit(train, epochs=2, resume=first.checkpoint(), callbacks=[best])
    assert load_checkpoint(path).epoch == best.best_epoch == 2
    assert_same_bits_by_name(load_net(path).net.parameters(), first.net.parameters())


def test_classes_that_are_not_those_of_the_net_are_refused(
    train: Any, trainer_of: Any, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="BestCheckpoint: expected 4 classes, as the net has outputs, got 2"):
        trainer_of().fit(
            train, callbacks=[BestCheckpoint(tmp_path / "best", "train_loss", classes=("a", "b"))]
        )
