"""The fully connected layer: y[n,o] = bias[o] + sum over i of weight[o,i] * x[n,i]."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def forward(x: Array, weight: Array, bias: Array | None = None) -> Array:
    """(N,I), (O,I), (O,) -> (N,O)."""
    x, weight = np.asarray(x, np.float64), np.asarray(weight, np.float64)
    y = np.zeros((x.shape[0], weight.shape[0]))
    for o in range(weight.shape[0]):
        y[:, o] = (x * weight[o]).sum(axis=1)
        if bias is not None:
            y[:, o] += bias[o]
    return y


def backward(dy: Array, x: Array, weight: Array) -> tuple[Array, Array, Array]:
    """dx[n,i] = sum over o of dy[n,o] * weight[o,i]; dweight[o,i] = sum over n of dy[n,o] * x[n,i]."""
    dy, x, weight = (np.asarray(a, np.float64) for a in (dy, x, weight))
    dx, dweight = np.zeros_like(x), np.zeros_like(weight)
    for o in range(weight.shape[0]):
        dx += dy[:, o : o + 1] * weight[o]
        dweight[o] = (dy[:, o : o + 1] * x).sum(axis=0)
    return dx, dweight, dy.sum(axis=0)
