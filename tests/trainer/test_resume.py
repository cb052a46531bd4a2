"""A run that stops and goes on ends with the same bits as one that never stopped."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convlet import Augment, Trainer, _core, nn, optim
from convlet.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from convlet.history import Row
from slower import SLOWER
from tolerances import assert_same_bits, assert_same_bits_by_name

RNG = np.random.default_rng(0)
TRAIN = (RNG.integers(0, 256, (500, 1, 28, 28), np.uint8), RNG.integers(0, 10, 500))
TEST = (TRAIN[0][:100], TRAIN[1][:100])
OPTIMIZERS = {
    "sgd": lambda: optim.SGD(0.1),
    "momentum and cosine": lambda: optim.SGD(0.05, momentum=0.9, schedule=optim.Cosine()),
    "adam": lambda: optim.Adam(1e-3),
}


CHANCE = {"augment": Augment(shift=2, flip=True, rotation=10, erase=4)}


def dropping_trainer() -> Trainer:
    net = nn.Sequential(
        nn.Normalize.of(TRAIN[0]), nn.Flatten(), nn.Dropout(0.2), nn.Linear(784, 10)
    ).initialize("pytorch", 1)
    return Trainer(net, optim.SGD(0.1, momentum=0.9), nn.CrossEntropyLoss())


def new_trainer(kind: str, seed: int = 0) -> Trainer:
    return Trainer(nn.LeNet(seed=seed), OPTIMIZERS[kind](), nn.CrossEntropyLoss())


def fit(trainer: Trainer, **options: Any) -> None:
    """Three epochs of 13 steps, the last of which is short."""
    trainer.fit(TRAIN, TEST, **{"epochs": 3, "batch_size": 40, "seed": 4, **options})


def stop_after(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C comes after so many steps from now."""
    left = [steps]

    class Engine(_core.Engine):
        def train(
            self,
            parameters: Any,
            state: Any,
            images: Any,
            labels: Any,
            order: Any,
            batch_size: int,
            rates: Any,
            *rest: Any,
        ) -> None:
            now = min(left[0], len(rates))
            left[0] -= now
            part = order[: now * batch_size], batch_size, rates[:now]
            super().train(parameters, state, images, labels, *part, *rest)
            if left[0] == 0:
                raise KeyboardInterrupt

    monkeypatch.setattr(_core, "Engine", Engine)


def stopped(kind: str, steps: int) -> Trainer:
    trainer = new_trainer(kind)
    with pytest.MonkeyPatch.context() as patch:
        stop_after(steps, patch)
        with pytest.raises(KeyboardInterrupt):
            fit(trainer)
    assert trainer.optimizer.steps_done == steps
    return trainer


def assert_same_end(trainer: Trainer, other: Trainer) -> None:
    assert_same_bits_by_name(trainer.net.parameters(), other.net.parameters())
    left, right = trainer.optimizer.state_dict(), other.optimizer.state_dict()
    assert_same_bits(left.pop("state"), right.pop("state"))
    assert left == right
    for one, two in zip(trainer.history, other.history, strict=True):
        for name in ("epoch", "train_loss", "train_accuracy", "test_loss", "test_accuracy"):
            assert one[name] == two[name], name


@pytest.fixture(scope="module")
def uninterrupted() -> dict[str, Trainer]:
    trainers = {kind: new_trainer(kind) for kind in OPTIMIZERS}
    for trainer in trainers.values():
        fit(trainer)
    return trainers


@pytest.mark.parametrize("kind", OPTIMIZERS)
@pytest.mark.parametrize("steps", [1, 12, 20, 38])
def test_resumed_within_an_epoch_equals_uninterrupted(
    kind: str, steps: int, tmp_path: Path, uninterrupted: dict[str, Trainer]
) -> None:
    save_checkpoint(tmp_path / "checkpoint.safetensors", stopped(kind, steps).checkpoint())
    checkpoint = load_checkpoint(tmp_path / "checkpoint.safetensors")
    assert checkpoint.epoch == steps // 13
    assert checkpoint.totals[:2].tolist() == [steps % 13, steps % 13 * 40]
    resumed = new_trainer(kind, seed=9)  # its own weights do not matter
    fit(resumed, resume=checkpoint)
    assert_same_end(resumed, uninterrupted[kind])


def test_resumed_between_epochs_equals_uninterrupted(uninterrupted: dict[str, Trainer]) -> None:
    first, second = new_trainer("adam"), new_trainer("adam", seed=9)
    fit(first, epochs=2)
    fit(second, resume=first.checkpoint())
    assert_same_end(second, uninterrupted["adam"])


def test_resumed_between_the_last_step_and_the_test_equals_uninterrupted(
    uninterrupted: dict[str, Trainer],
) -> None:
    trainer = stopped("sgd", 26)
    assert trainer.checkpoint().epoch == 1
    assert trainer.checkpoint().totals[1] == 500
    fit(trainer, resume=trainer.checkpoint())
    assert_same_end(trainer, uninterrupted["sgd"])


def test_stopped_many_times_equals_uninterrupted(
    tmp_path: Path, uninterrupted: dict[str, Trainer], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, trainer = tmp_path / "checkpoint.safetensors", stopped("adam", 5)
    for steps in (3, 1, 9, 4, 7):
        save_checkpoint(path, trainer.checkpoint())
        trainer = new_trainer("adam", seed=steps)
        stop_after(steps, monkeypatch)
        with pytest.raises(KeyboardInterrupt):
            fit(trainer, resume=load_checkpoint(path))
        monkeypatch.undo()
    assert trainer.optimizer.steps_done == 29
    fit(trainer, resume=trainer.checkpoint())
    assert_same_end(trainer, uninterrupted["adam"])


def test_an_interrupt_in_on_epoch_loses_nothing(uninterrupted: dict[str, Trainer]) -> None:
    trainer = new_trainer("adam")

    def interrupt(row: Row) -> None:
        if row.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(trainer, on_epoch=interrupt)
    assert trainer.checkpoint().epoch == 2
    fit(trainer, resume=trainer.checkpoint())
    assert_same_end(trainer, uninterrupted["adam"])


def test_ctrl_c_stops_within_a_fifth_of_a_second_and_resumes() -> None:
    trainer, sent = new_trainer("sgd"), []

    def press() -> None:
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(0.1 * SLOWER, press)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        fit(trainer, epochs=10_000)
    assert time.monotonic() - sent[0] < 0.2 * SLOWER
    timer.join()
    done = trainer.optimizer.steps_done
    assert done > 0
    again = new_trainer("sgd")
    fit(again, epochs=1 + done // 13)
    fit(trainer, epochs=1 + done // 13, resume=trainer.checkpoint())
    assert_same_end(trainer, again)


def test_time_adds_up_over_interruptions() -> None:
    checkpoint = stopped("sgd", 20).checkpoint()
    assert checkpoint.seconds > 0
    resumed = new_trainer("sgd")
    fit(resumed, resume=checkpoint)
    assert resumed.history[1].seconds > checkpoint.seconds
    assert resumed.history.total_seconds > checkpoint.history.total_seconds
    assert resumed.history.total_seconds >= sum(row.seconds for row in resumed.history)


def test_a_finished_run_can_be_made_longer(uninterrupted: dict[str, Trainer]) -> None:
    trainer = new_trainer("adam")
    fit(trainer, epochs=1)
    fit(trainer, resume=trainer.checkpoint(), epochs=1)
    assert len(trainer.history) == 1
    fit(trainer, resume=trainer.checkpoint(), epochs=3)
    assert_same_end(trainer, uninterrupted["adam"])


@pytest.mark.parametrize(
    "options, says",
    [
        ({"batch_size": 41}, "the run to resume had batch_size 40, got 41"),
        ({"seed": 5}, "the run to resume had seed 4, got 5"),
        ({"shuffle": False}, "the run to resume had shuffle True, got False"),
    ],
)
def test_other_settings_are_refused(options: dict[str, Any], says: str) -> None:
    trainer = new_trainer("sgd")
    fit(trainer, epochs=1)
    before = trainer.net.state_dict()
    with pytest.raises(ValueError, match=says):
        fit(trainer, resume=trainer.checkpoint(), **options)
    assert_same_bits_by_name(trainer.net.parameters(), before)


def test_another_optimizer_and_other_data_are_refused() -> None:
    trainer = new_trainer("sgd")
    fit(trainer, epochs=1)
    with pytest.raises(ValueError, match="the run to resume had optimizer .*'sgd'.*, got .*'adam'"):
        fit(new_trainer("adam"), resume=trainer.checkpoint())
    with pytest.raises(ValueError, match=r"the run to resume had images \[500, 1, 28, 28\], got"):
        trainer.fit((TRAIN[0][:99], TRAIN[1][:99]), batch_size=40, seed=4, resume=trainer.checkpoint())


def test_a_position_that_no_run_can_have_is_refused() -> None:
    trainer = new_trainer("sgd")
    fit(trainer, epochs=1)
    checkpoint: Checkpoint = trainer.checkpoint()
    checkpoint.totals[:2] = 3, 17
    with pytest.raises(ValueError, match="made 3 steps with 17 images"):
        fit(trainer, resume=checkpoint)


@pytest.mark.parametrize("steps", [5, 13, 20])
def test_chance_goes_on_where_it_stopped(steps: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    whole, first, second = dropping_trainer(), dropping_trainer(), dropping_trainer()
    fit(whole, **CHANCE)
    with monkeypatch.context() as patch:
        stop_after(steps, patch)
        with pytest.raises(KeyboardInterrupt):
            fit(first, **CHANCE)
    save_checkpoint(tmp_path / "run", first.checkpoint())
    fit(second, resume=load_checkpoint(tmp_path / "run"), **CHANCE)
    assert_same_bits_by_name(second.net.state_dict(), whole.net.state_dict())
    assert [row.train_loss for row in second.history] == [row.train_loss for row in whole.history]


def test_other_chances_are_refused_at_resuming() -> None:
    trainer = dropping_trainer()
    fit(trainer, epochs=1, **CHANCE)
    checkpoint = trainer.checkpoint()
    with pytest.raises(ValueError, match="fit: the run to resume had augment"):
        fit(dropping_trainer(), resume=checkpoint)
    other = dropping_trainer()
    other.net.eval()
    with pytest.raises(ValueError, match="fit: the run to resume had dropout"):
        fit(other, resume=checkpoint, **CHANCE)


def test_the_seed_of_a_run_decides_what_is_drawn() -> None:
    losses = set()
    for seed in (1, 2, 1):
        trainer = dropping_trainer()
        fit(trainer, epochs=1, seed=seed, shuffle=False, **CHANCE)
        losses.add(trainer.history[0].train_loss)
    assert len(losses) == 2


def test_tests_are_neither_augmented_nor_dropped() -> None:
    trainer = dropping_trainer()
    fit(trainer, epochs=1, **CHANCE)
    loss, accuracy = trainer.net.evaluate(*TEST)
    assert (trainer.history[0].test_loss, trainer.history[0].test_accuracy) == (loss, accuracy)


def test_augment_is_checked() -> None:
    with pytest.raises(TypeError, match="fit: expected augment of type Augment, got dict"):
        fit(dropping_trainer(), augment={"shift": 2})
    rows = Trainer(nn.Sequential(nn.Linear(4, 2)), optim.SGD(0.1), nn.CrossEntropyLoss())
    with pytest.raises(ValueError, match=r"fit: expected images \(N, C, H, W\) to augment, got \(N, 4\)"):
        rows.fit((np.zeros((3, 4), np.float32), np.zeros(3, int)), augment=Augment(shift=1))
