"""The layer between images and dense layers."""

from __future__ import annotations

from typing import SupportsIndex

from .. import functional
from .._arrays import Array, Numbers, Operand, integer
from .module import Op

__all__ = ["Flatten"]


class Flatten(Op):
    """Join all axes but the batch: (N, C, H, W) -> (N, C*H*W); :func:`convlet.functional.flatten`.

    Args:
        start_dim: 1; there for PyTorch's sake.
        end_dim: -1; there for PyTorch's sake.

    Raises:
        TypeError: an axis that is no integer.
        ValueError: another axis.
    """

    kind = "flatten"

    def __init__(self, start_dim: SupportsIndex = 1, end_dim: SupportsIndex = -1) -> None:
        self.start_dim = integer("Flatten", "start_dim", start_dim, low=1, high=1)
        self.end_dim = integer("Flatten", "end_dim", end_dim, low=-1, high=-1)

    def forward(self, x: Numbers) -> Operand:
        """(N, ...) -> (N, features)."""
        return functional.flatten(x)

    def backward(self, dy: Array, x: Array, y: Array) -> tuple[Array, dict[str, Array]]:
        """The gradient in the shape of the input."""
        return dy.reshape(x.shape), {}

    def extra_repr(self) -> str:
        """As PyTorch's."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"
