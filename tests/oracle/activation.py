"""Activations by element, and their gradients from the output y:

relu(x) = max(x, 0)                dx = dy where y > 0, else 0 (a NaN in y lets dy through)
sigmoid(x) = 1 / (1 + exp(-x))     dx = dy * y * (1 - y)
tanh(x)                            dx = dy * (1 - y * y)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

NAMES = ("relu", "sigmoid", "tanh")


def forward(name: str, x: Array) -> Array:
    """Any shape; `name` is one of NAMES."""
    x = np.asarray(x, np.float64)
    if name == "relu":
        return np.where(x <= 0, 0.0, x)
    if name == "tanh":
        return np.tanh(x)
    small = np.exp(-np.abs(x))  # never overflows, so both branches below are accurate to the last bits
    return np.where(x >= 0, 1 / (1 + small), small / (1 + small))


def backward(name: str, dy: Array, y: Array) -> Array:
    """The gradient with respect to the input, from the output alone."""
    dy, y = np.asarray(dy, np.float64), np.asarray(y, np.float64)
    if name == "relu":
        return np.where(y <= 0, 0.0, dy)
    if name == "tanh":
        return dy * (1 - y * y)
    return dy * y * (1 - y)
