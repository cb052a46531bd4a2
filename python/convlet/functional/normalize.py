"""Pixels as deviations from the mean of their channel."""

from __future__ import annotations

from typing import overload

import numpy as np

from .. import _core
from .._arrays import Array, Numbers, Operand, as_float32, as_operand
from .._core import DeviceArray

__all__ = ["normalize", "normalize_backward"]


@overload
def normalize(x: DeviceArray, mean: Numbers, std: Numbers) -> DeviceArray: ...  # type: ignore[overload-overlap]
@overload
def normalize(x: Numbers, mean: Numbers, std: Numbers) -> Array: ...
def normalize(x: Numbers, mean: Numbers, std: Numbers) -> Operand:
    """``y[n,c,h,w] = (x[n,c,h,w] - mean[c]) / std[c]``, each operation rounded to float32.

    Args:
        x: (N, C, H, W).
        mean: (C,).
        std: (C,).

    Returns:
        y, of the shape of x, float32.

    Raises:
        TypeError: an array that is not of real numbers.
        ValueError: shapes that do not fit.
    """
    op = "normalize"
    return _core.normalize(as_operand(op, "x", x), as_float32(op, "mean", mean), as_float32(op, "std", std))


def normalize_backward(dy: Numbers, std: Numbers) -> Array:
    """``dx[n,c,h,w] = dy[n,c,h,w] / std[c]``.

    Args:
        dy: gradient of the output, (N, C, H, W).
        std: (C,).

    Returns:
        dx, of the shape of dy, float32.

    Raises:
        TypeError: an array that is not of real numbers.
        ValueError: shapes that do not fit.
    """
    op = "normalize_backward"
    gradient, deviation = as_float32(op, "dy", dy), as_float32(op, "std", std)
    if gradient.ndim != 4:
        raise ValueError(f"{op}: expected dy of shape (N, C, H, W), got {gradient.shape}")
    channels = gradient.shape[1:2]
    if deviation.shape != channels:
        raise ValueError(f"{op}: expected std of shape {channels} for dy, got {deviation.shape}")
    dx = _core.normalize(gradient, np.zeros_like(deviation), deviation)
    assert not isinstance(dx, DeviceArray)
    return dx
