"""The layer that does nothing."""

from __future__ import annotations

from .._arrays import Array, Numbers, Operand, as_operand
from .module import Op

__all__ = ["Identity"]


class Identity(Op):
    """The input itself, of any shape: a place holder, for instance where a layer was taken out of a net.

    Args:
        arguments: of any kind and number, ignored as PyTorch does.
        options: likewise.
    """

    kind = "identity"

    def __init__(self, *arguments: object, **options: object) -> None:
        pass

    def forward(self, x: Numbers) -> Operand:
        """Any shape -> the same."""
        return as_operand("Identity", "x", x)

    def backward(self, dy: Array, x: Array, y: Array) -> tuple[Array, dict[str, Array]]:
        """The gradient itself."""
        return dy, {}
