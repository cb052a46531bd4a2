"""The dropout layer."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, SupportsFloat

from .. import functional
from .._arrays import Array, Numbers, Operand, as_operand, real
from .module import Op

__all__ = ["Dropout"]


class Dropout(Op):
    """Zeros for a share p of the numbers, and the others over 1 - p, while a net is trained.

    A call, of the layer or of a net, is inference and drops nothing, in whatever mode the net is: nor do
    ``predict`` and ``evaluate``. ``Trainer.fit`` and ``net.loss_and_gradients`` drop, unless ``net.eval()``
    was called; ``fit`` keeps to the mode in which it began. Which numbers are dropped is up to the seed and
    the step, :func:`convlet.functional.dropout`. A dropped number is 0 even where it was NaN or infinite.

    Args:
        p: the share that is dropped, 0 to 1.

    Raises:
        TypeError: p is no number.
        ValueError: p out of range.
    """

    kind = "dropout"

    def __init__(self, p: SupportsFloat = 0.5) -> None:
        self.p = real("Dropout", "p", p, 0, 1)

    def forward(self, x: Numbers) -> Operand:
        """The input, of any shape."""
        return as_operand("Dropout", "x", x)

    def backward(self, dy: Array, x: Array, y: Array) -> tuple[Array, dict[str, Array]]:
        """The gradient of a call."""
        return dy, {}

    def drop(self, x: Array, seed: int, step: int, layer: int) -> Array:
        """What training does to x, and to its gradient, in a net whose layer of that index this one is."""
        return functional.dropout(x, self.p, seed, step, layer) if self.training else x

    def spec(self) -> dict[str, Any]:
        """The layer as plain data."""
        return {"kind": self.kind, "p": self.p}

    def planned(self) -> dict[str, Any]:
        """The layer as the engine takes it: nothing while it does not train."""
        return self.spec() if self.training else {"kind": "identity"}

    def variant(self) -> Hashable:
        """Whether it trains."""
        return self.training

    def extra_repr(self) -> str:
        """The share."""
        return f"p={self.p:g}"
