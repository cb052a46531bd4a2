"""The functions that act on every number by itself, with their gradients from the output y."""

from __future__ import annotations

from .. import _core
from .._arrays import Array, Numbers, as_float32

__all__ = ["relu", "relu_backward", "sigmoid", "sigmoid_backward", "tanh", "tanh_backward"]


def relu(x: Numbers) -> Array:
    """``y = max(x, 0)``; NaN stays NaN.

    Args:
        x: an array of any shape.

    Returns:
        y, of the shape of x, float32.

    Raises:
        TypeError: an array that is not of real numbers.
    """
    return _core.relu(as_float32("relu", "x", x))


def relu_backward(dy: Numbers, y: Numbers) -> Array:
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
    return _core.relu_backward(as_float32("relu_backward", "dy", dy), as_float32("relu_backward", "y", y))


def sigmoid(x: Numbers) -> Array:
    """``y = 1 / (1 + exp(-x))``.

    Args:
        x: an array of any shape.

    Returns:
        y, of the shape of x, float32, in 0..1.

    Raises:
        TypeError: an array that is not of real numbers.
    """
    return _core.sigmoid(as_float32("sigmoid", "x", x))


def sigmoid_backward(dy: Numbers, y: Numbers) -> Array:
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
        as_float32("sigmoid_backward", "dy", dy), as_float32("sigmoid_backward", "y", y)
    )


def tanh(x: Numbers) -> Array:
    """``y = (exp(x) - exp(-x)) / (exp(x) + exp(-x))``.

    Args:
        x: an array of any shape.

    Returns:
        y, of the shape of x, float32, in -1..1.

    Raises:
        TypeError: an array that is not of real numbers.
    """
    return _core.tanh(as_float32("tanh", "x", x))


def tanh_backward(dy: Numbers, y: Numbers) -> Array:
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
    return _core.tanh_backward(as_float32("tanh_backward", "dy", dy), as_float32("tanh_backward", "y", y))
