"""Flattening."""

from __future__ import annotations

import math
from typing import SupportsIndex, overload

from .._arrays import Array, Numbers, Operand, as_operand, axis
from .._core import DeviceArray

__all__ = ["flatten"]


@overload
def flatten(x: DeviceArray, start_dim: SupportsIndex = 1) -> DeviceArray: ...  # type: ignore[overload-overlap]
@overload
def flatten(x: Numbers, start_dim: SupportsIndex = 1) -> Array: ...
def flatten(x: Numbers, start_dim: SupportsIndex = 1) -> Operand:
    """Join the axes from ``start_dim`` on into one, in C order.

    Args:
        x: an array of any shape, (N, C, H, W) for instance.
        start_dim: the first axis to join; negative values count from the end.

    Returns:
        ``(N, C*H*W)``, float32. If x is float32 in C order, nothing is copied and the result is a view of x.

    Raises:
        TypeError: an array that is not of real numbers.
        ValueError: ``start_dim`` is no axis of x.
    """
    op = "flatten"
    array = as_operand(op, "x", x)
    first = axis(op, "start_dim", start_dim, array.ndim)
    return array.reshape(*array.shape[:first], math.prod(array.shape[first:]))
