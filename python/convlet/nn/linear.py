"""The fully connected layer."""

from __future__ import annotations

from typing import Any, SupportsIndex

from .. import functional
from .._arrays import Array, Numbers, Operand, beside, flag, integer
from .module import Weighted

__all__ = ["Linear"]


class Linear(Weighted):
    """Weighted sums of all features of each row; :func:`convlet.functional.linear`.

    Parameters: ``weight`` (out_features, in_features) and ``bias`` (out_features,), drawn from
    U(1 / sqrt(in_features)) as PyTorch does.

    Args:
        in_features: features of a row.
        out_features: sums.
        bias: whether a number is added to each sum.
        seed: for the same first weights every time.

    Raises:
        TypeError: a size that is no integer.
        ValueError: a size below 1, or too large.
    """

    kind = "linear"

    def __init__(
        self,
        in_features: SupportsIndex,
        out_features: SupportsIndex,
        bias: bool = True,
        *,
        seed: int | None = None,
    ) -> None:
        op = "Linear"
        self.in_features = integer(op, "in_features", in_features)
        self.out_features = integer(op, "out_features", out_features)
        super().__init__((self.out_features, self.in_features), flag(op, "bias", bias), seed)

    def forward(self, x: Numbers) -> Operand:
        """(N, in_features) -> (N, out_features)."""
        bias = None if self.bias is None else beside(x, self.bias)
        return functional.linear(x, beside(x, self.weight), bias)

    def backward(self, dy: Array, x: Array, y: Array) -> tuple[Array, dict[str, Array]]:
        """The gradients of the input and of the parameters; :func:`convlet.functional.linear_backward`."""
        dx, dw, db = functional.linear_backward(dy, x, self.weight)
        return dx, {"weight": dw} if self.bias is None else {"weight": dw, "bias": db}

    def spec(self) -> dict[str, Any]:
        """The layer as plain data, for the engine."""
        return {"kind": self.kind, **self._sizes()}

    def arguments(self) -> dict[str, Any]:
        """What makes another layer like this one."""
        return {**self._sizes(), "seed": self.seed}

    def extra_repr(self) -> str:
        """As PyTorch's."""
        return ", ".join(f"{name}={value}" for name, value in self._sizes().items())

    def _sizes(self) -> dict[str, Any]:
        return {
            "in_features": self.in_features,
            "out_features": self.out_features,
            "bias": "bias" in self.slot.shapes,
        }
