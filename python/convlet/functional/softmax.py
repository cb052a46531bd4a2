"""Softmax and its logarithm, both from inputs shifted by their largest, so that exp cannot overflow."""

from __future__ import annotations

from collections.abc import Callable
from typing import SupportsIndex

import numpy as np

from .. import _core
from .._arrays import Array, Numbers, as_float32, axis

__all__ = ["log_softmax", "log_softmax_backward", "softmax", "softmax_backward"]


def softmax(x: Numbers, dim: SupportsIndex = -1) -> Array:
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
    return _by_rows(op, _core.softmax, dim, as_float32(op, "x", x))


def softmax_backward(dy: Numbers, y: Numbers, dim: SupportsIndex = -1) -> Array:
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
    return _by_rows(op, _core.softmax_backward, dim, as_float32(op, "dy", dy), as_float32(op, "y", y))


def log_softmax(x: Numbers, dim: SupportsIndex = -1) -> Array:
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
    return _by_rows(op, _core.log_softmax, dim, as_float32(op, "x", x))


def log_softmax_backward(dy: Numbers, y: Numbers, dim: SupportsIndex = -1) -> Array:
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
    return _by_rows(op, _core.log_softmax_backward, dim, as_float32(op, "dy", dy), as_float32(op, "y", y))


def _by_rows(op: str, function: Callable[..., Array], dim: SupportsIndex, *arrays: Array) -> Array:
    """``function`` on matrices whose rows lie along ``dim``; any axis but the last costs two copies."""
    shape = arrays[0].shape
    if any(array.shape != shape for array in arrays):
        raise ValueError(
            f"{op}: expected dy and y of one shape, got {' and '.join(str(a.shape) for a in arrays)}"
        )
    along = axis(op, "dim", dim, len(shape))
    if arrays[0].size == 0:
        return np.empty(shape, np.float32)
    turned = [np.moveaxis(array, along, -1) for array in arrays]
    rows = function(*(np.ascontiguousarray(array).reshape(-1, shape[along]) for array in turned))
    return np.ascontiguousarray(np.moveaxis(rows.reshape(turned[0].shape), -1, along))
