"""The fully connected layer."""

from __future__ import annotations

from typing import overload

from .. import _core
from .._arrays import Array, Numbers, Operand, as_operand
from .._core import DeviceArray

__all__ = ["linear", "linear_backward"]


@overload
def linear(x: DeviceArray, weight: DeviceArray, bias: DeviceArray | None = None) -> DeviceArray: ...  # type: ignore[overload-overlap]
@overload
def linear(x: Numbers, weight: Numbers, bias: Numbers | None = None) -> Array: ...
def linear(x: Numbers, weight: Numbers, bias: Numbers | None = None) -> Operand:
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
    offsets = None if bias is None else as_operand(op, "bias", bias)
    return _core.linear(as_operand(op, "x", x), as_operand(op, "weight", weight), offsets)


@overload
def linear_backward(  # type: ignore[overload-overlap]
    dy: DeviceArray, x: DeviceArray, weight: DeviceArray
) -> tuple[DeviceArray, DeviceArray, DeviceArray]: ...
@overload
def linear_backward(dy: Numbers, x: Numbers, weight: Numbers) -> tuple[Array, Array, Array]: ...
def linear_backward(dy: Numbers, x: Numbers, weight: Numbers) -> tuple[Operand, Operand, Operand]:
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
        as_operand(op, "dy", dy), as_operand(op, "x", x), as_operand(op, "weight", weight)
    )
