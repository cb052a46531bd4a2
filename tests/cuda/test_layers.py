"""Single layers and losses take device arrays and copy their parameters there at the call."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from convlet import cuda, nn
from tolerances import relative_to_largest

pytestmark = pytest.mark.usefixtures("device")

LAYERS: list[Any] = [
    nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2, seed=0),
    nn.Conv2d(4, 2, (2, 3), bias=False, seed=0),
    nn.MaxPool2d(2),
    nn.AvgPool2d(3, padding=1, ceil_mode=True),
    nn.ReLU(),
    nn.Sigmoid(),
    nn.Tanh(),
    nn.Softmax(1),
    nn.LogSoftmax(1),
    nn.Flatten(),
]


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_a_layer_gives_the_same_on_the_device(layer: Any, rng: np.random.Generator):
    x = rng.standard_normal((3, 4, 8, 9)).astype(np.float32)
    y = layer(cuda.array(x))
    assert isinstance(y, cuda.DeviceArray)
    assert relative_to_largest(y.to_numpy(), layer(x)) < 1e-6


def test_a_written_weight_is_seen_by_the_next_call(rng: np.random.Generator):
    layer, x = nn.Linear(4, 3, seed=0), rng.standard_normal((2, 4)).astype(np.float32)
    there = cuda.array(x)
    assert relative_to_largest(layer(there).to_numpy(), layer(x)) < 1e-6
    layer.weight[...] = 2
    assert relative_to_largest(layer(there).to_numpy(), layer(x)) < 1e-6


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_a_loss_with_weights(reduction: str, rng: np.random.Generator):
    loss = nn.CrossEntropyLoss(rng.uniform(1, 2, 5), reduction=reduction, label_smoothing=0.1)
    logits, target = rng.standard_normal((7, 5)).astype(np.float32), rng.integers(0, 5, 7)
    there = cuda.array(logits), cuda.array(target)
    assert relative_to_largest(loss(*there).to_numpy(), np.asarray(loss(logits, target))) < 1e-6
    assert relative_to_largest(loss.backward(*there).to_numpy(), loss.backward(logits, target)) < 1e-6
