"""Runs on GPUs that one process and several make alike: small nets for both of the engine's paths."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from convlet import Augment, Trainer, nn
from team_runs import LOSSES, OPTIMIZERS, result

IMAGES, TESTS, BATCH, SEED = 70, 40, 48, 4  # two steps an epoch, of three tiles and of 22 images
RNG = np.random.default_rng(0)
X = RNG.integers(0, 256, (IMAGES, 1, 8, 8), np.uint8)
Y = RNG.integers(0, 10, IMAGES)

NETS = {
    "fused LeNet": lambda: nn.Sequential(
        nn.Conv2d(1, 2, 3, padding=1),
        nn.Sigmoid(),
        nn.AvgPool2d(2),
        nn.Conv2d(2, 3, 3, padding=1),
        nn.Sigmoid(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(12, 8),
        nn.Sigmoid(),
        nn.Linear(8, 10),
    ),
    "layer by layer": lambda: nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Dropout(0.25), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(18, 10)
    ),
    "one layer": lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 10)),
}
ROUNDING = {"sgd": 5e-6, "momentum": 5e-6, "adam": 5e-5}
"""How far ranks may be from one process, as a share of the largest number of a tensor."""


def trainer(
    net: str,
    optimizer: str = "momentum",
    loss: str = "plain",
    communicator: object = None,
    seed: int = 0,
    device: str = "cuda",
) -> Trainer:
    made = OPTIMIZERS[optimizer]()
    if loss == "sum":
        made.lr /= BATCH
    model = NETS[net]().initialize("pytorch", seed)
    return Trainer(model, made, LOSSES[loss](), device, threads=1, communicator=communicator)


def fit(made: Trainer, augmented: bool = False, **options: Any) -> dict[str, NDArray[Any]]:
    """Everything that a run comes to, as arrays by name."""
    augment = Augment(shift=1, flip=True) if augmented else None
    settings = {"epochs": 3, "batch_size": BATCH, "seed": SEED, "augment": augment, **options}
    made.fit((X, Y), (X[:TESTS], Y[:TESTS]), **settings)
    return result(made)
