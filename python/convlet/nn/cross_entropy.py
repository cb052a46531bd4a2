"""The loss of a classifier."""

from __future__ import annotations

from typing import Any, SupportsFloat, SupportsIndex, overload

import numpy as np

from .. import functional
from .._arrays import Array, Numbers, Operand, as_float32, beside, choice, integer, real
from .._core import DeviceArray
from ..functional.cross_entropy import REDUCTIONS

__all__ = ["CrossEntropyLoss"]


class CrossEntropyLoss:
    """Cross-entropy of logits with class indices; :func:`convlet.functional.cross_entropy` has the formula.

    Args:
        weight: how much each class counts, (K,), or 1 for all; copied.
        ignore_index: a target that does not count.
        reduction: ``"mean"`` over what counts, ``"sum"``, or ``"none"`` for the loss of each target.
        label_smoothing: the share of the probability that is wanted evenly on all classes, 0 to 1.

    Raises:
        TypeError: an argument of another type.
        ValueError: an argument out of range.
    """

    def __init__(
        self,
        weight: Numbers | None = None,
        *,
        ignore_index: SupportsIndex = -100,
        reduction: str = "mean",
        label_smoothing: SupportsFloat = 0.0,
    ) -> None:
        op = "CrossEntropyLoss"
        self.weight = None if weight is None else as_float32(op, "weight", weight).copy()
        if self.weight is not None and self.weight.ndim != 1:
            raise ValueError(f"{op}: expected weight of shape (K,), one a class, got {self.weight.shape}")
        self.ignore_index = integer(op, "ignore_index", ignore_index, -(2**63), 2**63 - 1)
        self.reduction = choice(op, "reduction", reduction, REDUCTIONS)
        self.label_smoothing = real(op, "label_smoothing", label_smoothing, 0.0, 1.0)

    @overload
    def __call__(self, logits: DeviceArray, target: DeviceArray) -> DeviceArray: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, logits: Numbers, target: Numbers) -> np.float32 | Array: ...
    def __call__(self, logits: Numbers, target: Numbers) -> np.float32 | Operand:
        """The loss: one number, or with ``"none"`` an array of the shape of target."""
        return functional.cross_entropy(logits, target, *self._how(logits))

    @overload
    def backward(self, logits: DeviceArray, target: DeviceArray) -> DeviceArray: ...  # type: ignore[overload-overlap]
    @overload
    def backward(self, logits: Numbers, target: Numbers) -> Array: ...
    def backward(self, logits: Numbers, target: Numbers) -> Operand:
        """The gradient with respect to the logits; of the sum for ``"none"``."""
        return functional.cross_entropy_backward(logits, target, *self._how(logits))

    def _how(self, logits: Numbers) -> tuple[Operand | None, int, str, float]:
        weight = None if self.weight is None else beside(logits, self.weight)
        return weight, self.ignore_index, self.reduction, self.label_smoothing

    def spec(self) -> dict[str, Any]:
        """The loss as plain data, for the engine."""
        return {
            "kind": "cross_entropy",
            "weight": self.weight,
            "ignore_index": self.ignore_index,
            "reduction": self.reduction,
            "label_smoothing": self.label_smoothing,
        }

    def __repr__(self) -> str:
        shown: dict[str, Any] = {} if self.weight is None else {"weight": self.weight.tolist()}
        for name, default in (("ignore_index", -100), ("reduction", "mean"), ("label_smoothing", 0.0)):
            if getattr(self, name) != default:
                shown[name] = getattr(self, name)
        return f"CrossEntropyLoss({', '.join(f'{name}={value!r}' for name, value in shown.items())})"
