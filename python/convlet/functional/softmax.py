"""Softmax and its logarithm, both from inputs shifted by their largest, so that exp cannot overflow."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import SupportsIndex, overload

import numpy as np

from .. import _core
from .._arrays import Array, Numbers, Operand, as_operand, axis
from .._core import DeviceArray

__all__ = ["log_softmax", "log_softmax_backward", "softmax", "softmax_backward"]


@overload
def softmax(x: DeviceArray, dim: SupportsIndex = -1) -> DeviceArray: ...  # type: ignore[overload-overlap]
@overload
def softmax(x: Numbers, dim: SupportsIndex = -1) -> Array: ...
def softmax(x: Numbers, dim: SupportsIndex = -1) -> Operand:
    """``y[k] = exp(x[k]) / sum over j of exp(x[j])`` along one axis.

    Args:
        x: an array of at least one axis.
        dim: the axis along which the results add up to 1; negative values count from the end.

    Returns:
        y, of the shape of x, float32.

    Raises:
        TypeError: an array that is not of real numbers.
        ValueError: ``dim`` is no axis of x.
    """
    op = "softmax"
    return _along(op, _core.softmax, dim, x=as_operand(op, "x", x))


@overload
def softmax_backward(dy: DeviceArray, y: DeviceArray, dim: SupportsIndex = -1) -> DeviceArray: ...  # type: ignore[overload-overlap]
@overload
def softmax_backward(dy: Numbers, y: Numbers, dim: SupportsIndex = -1) -> Array: ...
def softmax_backward(dy: Numbers, y: Numbers, dim: SupportsIndex = -1) -> Operand:
    """``dx[k] = y[k] * (dy[k] - sum over j of dy[j] * y[j])`` along one axis.

    Args:
        dy: gradient of the output, of any shape of at least one axis.
        y: the output of :func:`softmax`, of the same shape.
        dim: as in :func:`softmax`.

    Returns:
        dx, of that shape, float32.

    Raises:
        TypeError: an array that is not of real numbers.
        ValueError: dy and y of different shapes, or ``dim`` is no axis of them.
    """
    op = "softmax_backward"
    return _along(op, _core.softmax_backward, dim, dy=as_operand(op, "dy", dy), y=as_operand(op, "y", y))


@overload
def log_softmax(x: DeviceArray, dim: SupportsIndex = -1) -> DeviceArray: ...  # type: ignore[overload-overlap]
@overload
def log_softmax(x: Numbers, dim: SupportsIndex = -1) -> Array: ...
def log_softmax(x: Numbers, dim: SupportsIndex = -1) -> Operand:
    """``y[k] = x[k] - log(sum over j of exp(x[j]))`` along one axis, accurate where softmax itself is 0.

    Args:
        x: an array of at least one axis.
        dim: the axis to sum over; negative values count from the end.

    Returns:
        y, of the shape of x, float32.

    Raises:
        TypeError: an array that is not of real numbers.
        ValueError: ``dim`` is no axis of x.
    """
    op = "log_softmax"
    return _along(op, _core.log_softmax, dim, x=as_operand(op, "x", x))


@overload
def log_softmax_backward(dy: DeviceArray, y: DeviceArray, dim: SupportsIndex = -1) -> DeviceArray: ...  # type: ignore[overload-overlap]
@overload
def log_softmax_backward(dy: Numbers, y: Numbers, dim: SupportsIndex = -1) -> Array: ...
def log_softmax_backward(dy: Numbers, y: Numbers, dim: SupportsIndex = -1) -> Operand:
    """``dx[k] = dy[k] - exp(y[k]) * sum over j of dy[j]`` along one axis.

    Args:
        dy: gradient of the output, of any shape of at least one axis.
        y: the output of :func:`log_softmax`, of the same shape.
        dim: as in :func:`log_softmax`.

    Returns:
        dx, of that shape, float32.

    Raises:
        TypeError: an array that is not of real numbers.
        ValueError: dy and y of different shapes, or ``dim`` is no axis of them.
    """
    op = "log_softmax_backward"
    return _along(op, _core.log_softmax_backward, dim, dy=as_operand(op, "dy", dy), y=as_operand(op, "y", y))


def _along(op: str, function: Callable[..., Operand], dim: SupportsIndex, **arrays: Operand) -> Operand:
    """``function`` along one axis of arrays of one shape; on the device it takes (outer, classes, inner)."""
    shapes = [array.shape for array in arrays.values()]
    shape = shapes[0]
    if any(other != shape for other in shapes):
        raise ValueError(f"{op}: expected dy and y of one shape, got {' and '.join(map(str, shapes))}")
    along = axis(op, "dim", dim, len(shape))
    hosted = [array for array in arrays.values() if isinstance(array, np.ndarray)]
    if len(hosted) == len(arrays):
        return _by_rows(function, along, hosted)
    _core.on_device(op, **arrays)
    first, *_ = arrays.values()
    if first.size == 0:
        return first.copy()
    turned = (math.prod(shape[:along]), shape[along], math.prod(shape[along + 1 :]))
    return function(*(array.reshape(turned) for array in arrays.values())).reshape(shape)


def _by_rows(function: Callable[..., Operand], along: int, arrays: list[Array]) -> Array:
    """``function`` on matrices whose rows lie along an axis; any axis but the last costs two copies."""
    shape = arrays[0].shape
    if arrays[0].size == 0:
        return np.empty(shape, np.float32)
    turned = [np.moveaxis(array, along, -1) for array in arrays]
    rows = function(*(np.ascontiguousarray(array).reshape(-1, shape[along]) for array in turned))
    back = np.moveaxis(np.asarray(rows).reshape(turned[0].shape), -1, along)
    return np.ascontiguousarray(back)
