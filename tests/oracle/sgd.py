"""Stochastic gradient descent with momentum, one step for one array:

g = gradient + weight_decay * parameter
buffer = g at the first step, then momentum * buffer + (1 - dampening) * g      (only with momentum)
g = g + momentum * buffer (nesterov) or buffer
parameter = parameter - lr * g
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def step(
    parameter: Array,
    gradient: Array,
    buffer: Array | None,
    lr: float,
    momentum: float = 0.0,
    dampening: float = 0.0,
    weight_decay: float = 0.0,
    nesterov: bool = False,
) -> tuple[Array, Array | None]:
    """The new parameter and momentum buffer; `buffer` is None before the first step."""
    parameter = np.asarray(parameter, np.float64)
    g = np.asarray(gradient, np.float64)
    if weight_decay != 0:  # an infinite parameter without decay is no term
        g = g + weight_decay * parameter
    if momentum != 0:
        buffer = g if buffer is None else momentum * buffer + (1 - dampening) * g
        g = g + momentum * buffer if nesterov else buffer
    return parameter - lr * g, buffer
