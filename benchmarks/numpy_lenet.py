"""A training step of the article's LeNet by hand, on the NumPy layers of either form."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from numpy_layers import Array, Layers

CONVOLUTIONS = (("0", 2), ("3", 0))  # name and padding
DENSE = ("7", "9", "11")


def sigmoid(x: Array) -> Array:
    return np.float32(1) / (np.float32(1) + np.exp(-x))


class NumpyLeNet:
    """The net with the weights of `state`, by PyTorch's names; they are copied."""

    def __init__(self, layers: Layers, state: Mapping[str, Array]) -> None:
        self.layers = layers
        self.weights = {name: array.copy() for name, array in state.items()}

    def step(self, x: Array, labels: NDArray[np.int64], lr: float) -> tuple[float, int]:
        """One step of SGD; the mean loss and the right answers before it."""
        ops, w, kept = self.layers, self.weights, {}
        y = x
        for name, padding in CONVOLUTIONS:
            active = sigmoid(ops.conv2d(y, w[f"{name}.weight"], w[f"{name}.bias"], padding))
            kept[name] = y, active
            y = ops.avg_pool2d(active)
        pooled = y.shape
        y = y.reshape(len(y), -1)
        for name in DENSE:
            z = ops.linear(y, w[f"{name}.weight"], w[f"{name}.bias"])
            active = z if name == DENSE[-1] else sigmoid(z)
            kept[name] = y, active
            y = active
        shifted = y - y.max(axis=1, keepdims=True)
        log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        rows = np.arange(len(y))
        loss, correct = -float(log_p[rows, labels].mean()), int((y.argmax(axis=1) == labels).sum())

        gradients: dict[str, Array] = {}
        dy = np.exp(log_p)
        dy[rows, labels] -= 1
        dy /= np.float32(len(y))
        for name in reversed(DENSE):
            inputs, active = kept[name]
            if name != DENSE[-1]:
                dy = dy * active * (1 - active)
            dy, dw, db = ops.linear_backward(dy, inputs, w[f"{name}.weight"])
            gradients |= {f"{name}.weight": dw, f"{name}.bias": db}
        dy = dy.reshape(pooled)
        for name, padding in reversed(CONVOLUTIONS):
            inputs, active = kept[name]
            dy = ops.avg_pool2d_backward(dy) * active * (1 - active)
            dy, dw, db = ops.conv2d_backward(dy, inputs, w[f"{name}.weight"], padding)
            gradients |= {f"{name}.weight": dw, f"{name}.bias": db}
        for name, gradient in gradients.items():
            w[name] -= np.float32(lr) * gradient
        return loss, correct
