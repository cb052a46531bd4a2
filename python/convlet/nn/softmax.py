"""The layers that turn logits into probabilities, or their logarithms."""

from __future__ import annotations

from typing import SupportsIndex

from .. import functional
from .._arrays import LARGEST, Array, Numbers, Operand, integer
from .module import Op

__all__ = ["LogSoftmax", "Softmax"]


class _AlongAxis(Op):
    def __init__(self, dim: SupportsIndex = 1) -> None:
        self.dim = integer(type(self).__name__, "dim", dim, low=-LARGEST)

    def extra_repr(self) -> str:
        """As PyTorch's."""
        return f"dim={self.dim}"


class Softmax(_AlongAxis):
    """``exp(x[k]) / sum over j of exp(x[j])`` along one axis; :func:`convlet.functional.softmax`.

    Args:
        dim: the axis, from 0, or from the end if negative. In a :class:`Sequential` it must be axis 1, that
            of the channels or classes.

    Raises:
        TypeError: an axis that is no integer.
    """

    kind = "softmax"

    def forward(self, x: Numbers) -> Operand:
        """Any shape with that axis -> the same."""
        return functional.softmax(x, self.dim)

    def backward(self, dy: Array, x: Array, y: Array) -> tuple[Array, dict[str, Array]]:
        """The gradient of the input; :func:`convlet.functional.softmax_backward`."""
        return functional.softmax_backward(dy, y, self.dim), {}


class LogSoftmax(_AlongAxis):
    """``x[k] - log(sum over j of exp(x[j]))`` along one axis; :func:`convlet.functional.log_softmax`.

    Args:
        dim: the axis, from 0, or from the end if negative. In a :class:`Sequential` it must be axis 1, that
            of the channels or classes.

    Raises:
        TypeError: an axis that is no integer.
    """

    kind = "log_softmax"

    def forward(self, x: Numbers) -> Operand:
        """Any shape with that axis -> the same."""
        return functional.log_softmax(x, self.dim)

    def backward(self, dy: Array, x: Array, y: Array) -> tuple[Array, dict[str, Array]]:
        """The gradient of the input; :func:`convlet.functional.log_softmax_backward`."""
        return functional.log_softmax_backward(dy, y, self.dim), {}
