"""Runs that one process and several make alike."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from convlet import Trainer, nn, optim

IMAGES, TESTS, BATCH, EPOCHS, SEED = 500, 100, 72, 15, 4  # 7 steps an epoch, the last of 68 images
RNG = np.random.default_rng(0)
X = RNG.integers(0, 256, (IMAGES, 1, 28, 28), np.uint8)
Y = RNG.integers(0, 10, IMAGES)

OPTIMIZERS = {
    "sgd": lambda: optim.SGD(0.1),
    "momentum": lambda: optim.SGD(0.05, momentum=0.9, schedule=optim.Cosine()),
    "adam": lambda: optim.Adam(1e-3),
}
ROUNDING = {"sgd": 2e-6, "momentum": 2e-6, "adam": 5e-5}
"""How far ranks may be from one process after 105 steps, as a share of the largest number of a tensor. Adam
divides small gradients by their own size, and with them what they were rounded by."""
LOSSES = {
    "plain": lambda: nn.CrossEntropyLoss(),
    "weighted": lambda: nn.CrossEntropyLoss(np.linspace(0.5, 2, 10), ignore_index=3, label_smoothing=0.1),
    "sum": lambda: nn.CrossEntropyLoss(reduction="sum"),
}


def trainer(optimizer: str, loss: str, communicator: object = None, seed: int = 0) -> Trainer:
    made = OPTIMIZERS[optimizer]()
    if loss == "sum":
        made.lr /= BATCH
    return Trainer(nn.LeNet(seed=seed), made, LOSSES[loss](), threads=1, communicator=communicator)


def fit(made: Trainer, **options: Any) -> dict[str, NDArray[Any]]:
    """Everything that a run comes to, as arrays by name."""
    made.fit(
        (X, Y), (X[:TESTS], Y[:TESTS]), **{"epochs": EPOCHS, "batch_size": BATCH, "seed": SEED, **options}
    )
    return result(made)


def result(made: Trainer) -> dict[str, NDArray[Any]]:
    names = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")
    return {
        **{name: array.copy() for name, array in made.net.parameters().items()},
        "optimizer state": made.optimizer.state_dict()["state"],
        "history": np.array([[row[name] for name in names] for row in made.history]),
    }
