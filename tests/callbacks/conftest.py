"""A small net and small data that it learns in a moment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from convlet import Trainer, nn, optim

Arrays = tuple[NDArray[np.uint8], NDArray[np.int64]]


@pytest.fixture
def train() -> Arrays:
    """Random images, each with its brightest quarter as its label."""
    images = np.random.default_rng(0).integers(0, 256, (200, 1, 8, 8), np.uint8)
    return images, images.reshape(200, 4, 16).sum(axis=2).argmax(axis=1)


@pytest.fixture
def trainer_of() -> Callable[..., Trainer]:
    """A trainer of a new small net, the same every time, with that learning rate."""

    def make(lr: float = 0.5, **options: Any) -> Trainer:
        net = nn.Sequential(nn.Flatten(), nn.Linear(64, 4)).initialize("xavier_uniform", 0)
        return Trainer(net, optim.SGD(lr), nn.CrossEntropyLoss(), **options)

    return make
