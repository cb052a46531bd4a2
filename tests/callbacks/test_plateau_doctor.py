"""The doctor speaks of a net that is stuck, and says nothing of one that learns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from convlet import Trainer, datasets, nn, optim
from convlet.callbacks import Diagnosis, PlateauDoctor


@pytest.fixture(scope="module")
def digits() -> datasets.Dataset:
    return datasets.Digits(size=40_000)


def told(
    net: nn.Sequential, lr: float, train: Any, epochs: int, batch_size: int = 256
) -> tuple[list[str], Any]:
    """What the doctor says in a run, and the losses."""
    said: list[str] = []
    doctor = PlateauDoctor(train, said.append)
    trainer = Trainer(net, optim.SGD(lr), nn.CrossEntropyLoss())
    history = trainer.fit(train, epochs=epochs, batch_size=batch_size, callbacks=[doctor])
    assert (doctor.diagnosis is None) == (not said)
    return said, [row.train_loss for row in history]


def test_a_sigmoid_lenet_with_pytorchs_weights_is_told_of_once(digits: datasets.Dataset) -> None:
    said, losses = told(nn.LeNet(seed=0), 0.9, digits, 4)
    assert losses == pytest.approx([np.log(10)] * 4, rel=0.02)
    (text,) = said
    first, gradients, heading, *cures = text.splitlines()
    assert first.startswith("the net does not learn: loss 2.30")
    assert " = ln 10 since epoch " in first
    assert [part.rpartition(" ")[0] for part in gradients.partition(": ")[2].split(", ")] == [
        "0 Conv2d",
        "3 Conv2d",
        "7 Linear",
        "9 Linear",
        "11 Linear",
    ]
    assert heading == "what usually helps, the likeliest first:"
    assert "Xavier" in cures[0]
    assert "ReLU" in cures[1]
    assert "larger learning rate" in cures[2]


def test_a_net_that_leaves_the_plateau_is_left_alone() -> None:
    said, losses = told(nn.LeNet().initialize("d2l", 2), 0.9, datasets.Digits(), 3)
    assert losses[0] == pytest.approx(np.log(10), rel=0.01)  # it sits there at first, as sigmoid nets do
    assert losses[2] < 2.0
    assert said == []


def test_a_net_that_learns_at_once_is_left_alone(digits: datasets.Dataset) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 10))
    said, losses = told(net.initialize("kaiming_uniform", 0), 0.1, digits, 3)
    assert losses[-1] < 1.0
    assert said == []


def test_a_rate_of_nothing_asks_for_a_larger_one(digits: datasets.Dataset) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 10)).initialize("xavier_uniform", 0)
    net[1].weight[...] *= 0.01
    said, _ = told(net, 1e-9, digits, 2)
    assert "1. a larger learning rate" in said[0]


def test_dead_relus_ask_for_a_smaller_rate_and_other_weights(digits: datasets.Dataset) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 16), nn.ReLU(), nn.Linear(16, 10)).initialize("d2l", 0)
    net[1].bias[...] = -1000
    net[3].bias[...] = 0
    said, _ = told(net, 0.01, digits, 2)
    assert "1. a smaller learning rate" in said[0]
    assert "2. draw the weights by Kaiming" in said[0]


def test_images_far_from_zero_ask_to_be_normalised_first() -> None:
    rng = np.random.default_rng(0)
    images = rng.standard_normal((1000, 64), np.float32) + 1000
    net = nn.Sequential(nn.Linear(64, 16), nn.Sigmoid(), nn.Linear(16, 10)).initialize("xavier_uniform", 0)
    said, _ = told(net, 0.001, (images, rng.integers(0, 10, 1000)), 40, batch_size=8)
    assert "1. bring the images to mean 0" in said[0]


def test_a_diagnosis_has_its_figures(digits: datasets.Dataset) -> None:
    doctor = PlateauDoctor(digits, lambda text: None)
    trainer = Trainer(nn.LeNet(seed=0), optim.SGD(0.9), nn.CrossEntropyLoss())
    before = trainer.fit(digits, epochs=3, callbacks=[doctor])
    found = doctor.diagnosis
    assert isinstance(found, Diagnosis)
    assert found.classes == 10
    assert found.loss in [row.train_loss for row in before]
    sizes = list(found.gradients.values())
    assert 0 < sizes[0] < 0.05 * sizes[-1]  # it vanishes towards the input
