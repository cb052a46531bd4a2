"""The functions that act on every number by itself, with their gradients from the output y."""

from __future__ import annotations

from typing import overload

from .. import _core
from .._arrays import Array, Numbers, Operand, as_operand
from .._core import DeviceArray

__all__ = ["relu", "relu_backward", "sigmoid", "sigmoid_backward", "tanh", "tanh_backward"]


@overload
def relu(x: DeviceArray) -> DeviceArray: ...  # type: ignore[overload-overlap]
@overload
def relu(x: Numbers) -> Array: ...
def relu(x: Numbers) -> Operand:
    """``y = max(x, 0)``; NaN stays NaN.

    Args:
        x: an array of any shape.

    Returns:
        y, of the shape of x, float32.

    Raises:
        TypeError: an array that is not of real numbers.
    """
    return _core.relu(as_operand("relu", "x", x))


@overload
def relu_backward(dy: DeviceArray, y: DeviceArray) -> DeviceArray: ...  # type: ignore[overload-overlap]
@overload
def relu_backward(dy: Numbers, y: Numbers) -> Array: ...
def relu_backward(dy: Numbers, y: Numbers) -> Operand:
    """``dx = dy`` where y is above 0 or NaN, else 0.

    Args:
        dy: gradient of the output, of any shape.
        y: the output of :func:`relu`, of the same shape.

    Returns:
        dx, of that shape, float32.

    Raises:
        TypeError: an array that is not of real numbers.
        ValueError: dy and y of different shapes.
    """
    return _core.relu_backward(as_operand("relu_backward", "dy", dy), as_operand("relu_backward", "y", y))


@overload
def sigmoid(x: DeviceArray) -> DeviceArray: ...  # type: ignore[overload-overlap]
@overload
def sigmoid(x: Numbers) -> Array: ...
def sigmoid(x: Numbers) -> Operand:
    """``y = 1 / (1 + exp(-x))``.

    Args:
        x: an array of any shape.

    Returns:
        y, of the shape of x, float32, in 0..1.

    Raises:
        TypeError: an array that is not of real numbers.
    """
    return _core.sigmoid(as_operand("sigmoid", "x", x))


@overload
def sigmoid_backward(dy: DeviceArray, y: DeviceArray) -> DeviceArray: ...  # type: ignore[overload-overlap]
@overload
def sigmoid_backward(dy: Numbers, y: Numbers) -> Array: ...
def sigmoid_backward(dy: Numbers, y: Numbers) -> Operand:
    """``dx = dy * y * (1 - y)``.

    Args:
        dy: gradient of the output, of any shape.
        y: the output of :func:`sigmoid`, of the same shape.

    Returns:
        dx, of that shape, float32.

    Raises:
        TypeError: an array that is not of real numbers.
        ValueError: dy and y of different shapes.
    """
    return _core.sigmoid_backward(
        as_operand("sigmoid_backward", "dy", dy), as_operand("sigmoid_backward", "y", y)
    )


@overload
def tanh(x: DeviceArray) -> DeviceArray: ...  # type: ignore[overload-overlap]
@overload
def tanh(x: Numbers) -> Array: ...
def tanh(x: Numbers) -> Operand:
    """``y = (exp(x) - exp(-x)) / (exp(x) + exp(-x))``.

    Args:
        x: an array of any shape.

    Returns:
        y, of the shape of x, float32, in -1..1.

    Raises:
        TypeError: an array that is not of real numbers.
    """
    return _core.tanh(as_operand("tanh", "x", x))


@overload
def tanh_backward(dy: DeviceArray, y: DeviceArray) -> DeviceArray: ...  # type: ignore[overload-overlap]
@overload
def tanh_backward(dy: Numbers, y: Numbers) -> Array: ...
def tanh_backward(dy: Numbers, y: Numbers) -> Operand:
    """``dx = dy * (1 - y**2)``.

    Args:
        dy: gradient of the output, of any shape.
        y: the output of :func:`tanh`, of the same shape.

    Returns:
        dx, of that shape, float32.

    Raises:
        TypeError: an array that is not of real numbers.
        ValueError: dy and y of different shapes.
    """
    return _core.tanh_backward(as_operand("tanh_backward", "dy", dy), as_operand("tanh_backward", "y", y))
