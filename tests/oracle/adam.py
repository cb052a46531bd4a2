"""Adam and AdamW (Kingma and Ba 2015; Loshchilov and Hutter 2019), step t = 1, 2, ... for one array:

decoupled:  parameter = parameter * (1 - lr * weight_decay)
else:       gradient = gradient + weight_decay * parameter
m = beta1 * m + (1 - beta1) * gradient
v = beta2 * v + (1 - beta2) * gradient ** 2
parameter = parameter - lr * (m / (1 - beta1 ** t)) / (sqrt(v / (1 - beta2 ** t)) + eps)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def step(
    parameter: Array,
    gradient: Array,
    m: Array,
    v: Array,
    t: int,
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    decoupled: bool = False,
) -> tuple[Array, Array, Array]:
    """The new parameter, m and v; both moments are zero before the first step."""
    parameter, g = np.asarray(parameter, np.float64), np.asarray(gradient, np.float64)
    if decoupled:
        parameter = parameter * (1 - lr * weight_decay)
    elif weight_decay != 0:  # an infinite parameter without decay is no term
        g = g + weight_decay * parameter
    m = betas[0] * m + (1 - betas[0]) * g
    v = betas[1] * v + (1 - betas[1]) * g**2
    mean, power = m / (1 - betas[0] ** t), v / (1 - betas[1] ** t)
    return parameter - lr * mean / (np.sqrt(power) + eps), m, v
