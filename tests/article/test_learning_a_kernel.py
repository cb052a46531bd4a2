"""The kernel of an edge detector can be learned from what goes in and what comes out."""

from __future__ import annotations

import numpy as np
import pytest

from convlet import functional, optim


@pytest.mark.parametrize("seed", range(3))
def test_gradient_descent_finds_the_edge_detector(seed: int):
    x = np.ones((1, 1, 6, 8), np.float32)
    x[..., 2:6] = 0
    wanted = functional.conv2d(x, np.array([[[[1, -1]]]]))
    weight = np.random.default_rng(seed).standard_normal((1, 1, 1, 2)).astype(np.float32)
    parameters, losses = {"weight": weight}, []
    optimizer = optim.SGD(lr=3e-2)
    for _ in range(40):
        y = functional.conv2d(x, weight)
        losses.append(float(((y - wanted) ** 2).sum()))
        _, dweight, _ = functional.conv2d_backward(2 * (y - wanted), x, weight)
        optimizer.step(parameters, {"weight": dweight})
    assert losses == sorted(losses, reverse=True)
    np.testing.assert_allclose(weight.ravel(), [1, -1], atol=1e-3)
