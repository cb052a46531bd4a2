"""The layers that act on every number by itself."""

from __future__ import annotations

from .. import functional
from .._arrays import Array, Numbers, Operand
from .module import Op

__all__ = ["ReLU", "Sigmoid", "Tanh"]


class ReLU(Op):
    """``max(x, 0)`` of an array of any shape; :func:`convlet.functional.relu`."""

    kind = "relu"

    def forward(self, x: Numbers) -> Operand:
        """Any shape -> the same."""
        return functional.relu(x)

    def backward(self, dy: Array, x: Array, y: Array) -> tuple[Array, dict[str, Array]]:
        """The gradient of the input; :func:`convlet.functional.relu_backward`."""
        return functional.relu_backward(dy, y), {}


class Sigmoid(Op):
    """``1 / (1 + exp(-x))`` of an array of any shape; :func:`convlet.functional.sigmoid`."""

    kind = "sigmoid"

    def forward(self, x: Numbers) -> Operand:
        """Any shape -> the same."""
        return functional.sigmoid(x)

    def backward(self, dy: Array, x: Array, y: Array) -> tuple[Array, dict[str, Array]]:
        """The gradient of the input; :func:`convlet.functional.sigmoid_backward`."""
        return functional.sigmoid_backward(dy, y), {}


class Tanh(Op):
    """The hyperbolic tangent of an array of any shape; :func:`convlet.functional.tanh`."""

    kind = "tanh"

    def forward(self, x: Numbers) -> Operand:
        """Any shape -> the same."""
        return functional.tanh(x)

    def backward(self, dy: Array, x: Array, y: Array) -> tuple[Array, dict[str, Array]]:
        """The gradient of the input; :func:`convlet.functional.tanh_backward`."""
        return functional.tanh_backward(dy, y), {}
