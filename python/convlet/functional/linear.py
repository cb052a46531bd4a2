"""The fully connected layer."""

from __future__ import annotations

from .. import _core
from .._arrays import Array, Numbers, as_float32

__all__ = ["linear", "linear_backward"]


def linear(x: Numbers, weight: Numbers, bias: Numbers | None = None) -> Array:
    """Weighted sums of the features of each row.

    ``y[n,o] = bias[o] + sum over i of weight[o,i] * x[n,i]``

    Args:
        x: (N, I).
        weight: (O, I).
        bias: (O,), or none.

    Returns:
        (N, O), float32.

    Raises:
        TypeError: an array that is not of real numbers.
        ValueError: shapes that do not fit.
    """
    op = "linear"
    offsets = None if bias is None else as_float32(op, "bias", bias)
    return _core.linear(as_float32(op, "x", x), as_float32(op, "weight", weight), offsets)


def linear_backward(dy: Numbers, x: Numbers, weight: Numbers) -> tuple[Array, Array, Array]:
    """The gradients of :func:`linear`.

    ``dx[n,i] = sum over o of dy[n,o] * weight[o,i]``, ``dweight[o,i] = sum over n of dy[n,o] * x[n,i]``,
    ``dbias[o] = sum over n of dy[n,o]``

    Args:
        dy: gradient of the output, (N, O).
        x: the rows that went in, (N, I).
        weight: (O, I).

    Returns:
        ``(dx, dweight, dbias)`` of the shapes of x and weight, and (O,).

    Raises:
        TypeError: an array that is not of real numbers.
        ValueError: shapes that do not fit.
    """
    op = "linear_backward"
    return _core.linear_backward(
        as_float32(op, "dy", dy), as_float32(op, "x", x), as_float32(op, "weight", weight)
    )
