"""Softmax and its logarithm along one axis, from logits shifted by their maximum so that exp cannot overflow:

softmax(x)[k] = exp(x[k]) / sum over j of exp(x[j])
log_softmax(x)[k] = x[k] - log(sum over j of exp(x[j]))
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def forward(x: Array, dim: int = -1) -> Array:
    """Probabilities of the same shape, which add up to 1 along `dim`."""
    x = np.asarray(x, np.float64)
    powers = np.exp(x - x.max(axis=dim, keepdims=True))
    return powers / powers.sum(axis=dim, keepdims=True)


def backward(dy: Array, y: Array, dim: int = -1) -> Array:
    """dx[k] = y[k] * (dy[k] - sum over j of dy[j] * y[j]), from the output y of `forward`."""
    dy, y = np.asarray(dy, np.float64), np.asarray(y, np.float64)
    return y * (dy - (dy * y).sum(axis=dim, keepdims=True))


def log_forward(x: Array, dim: int = -1) -> Array:
    """Logarithms of the probabilities, accurate where the probability itself would be 0."""
    x = np.asarray(x, np.float64)
    shifted = x - x.max(axis=dim, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=dim, keepdims=True))


def log_backward(dy: Array, y: Array, dim: int = -1) -> Array:
    """dx[k] = dy[k] - exp(y[k]) * sum over j of dy[j], from the output y of `log_forward`."""
    dy, y = np.asarray(dy, np.float64), np.asarray(y, np.float64)
    return dy - np.exp(y) * dy.sum(axis=dim, keepdims=True)
