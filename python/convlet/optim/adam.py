"""Adam and AdamW."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, SupportsFloat

from .. import _core
from .._arrays import real
from .optimizer import Number, Operands, Optimizer
from .schedules import Schedule

__all__ = ["Adam", "AdamW"]


class Adam(Optimizer):
    """Steps in units of the gradient's recent size; PyTorch's ``torch.optim.Adam``.

    At step t = 1, 2, ...: ``g = gradient + weight_decay * parameter``, ``m = b1 * m + (1 - b1) * g``,
    ``v = b2 * v + (1 - b2) * g**2``,
    ``parameter = parameter - lr * (m / (1 - b1**t)) / (sqrt(v / (1 - b2**t)) + eps)``.

    Args:
        lr: the learning rate, from 0.
        betas: ``(b1, b2)``, each from 0 and below 1.
        eps: from 0.
        weight_decay: from 0.
        schedule: what multiplies the learning rate at each step of a run.

    Raises:
        TypeError: a setting of another type.
        ValueError: a setting that is NaN or out of range.

    Source: D. P. Kingma, J. Ba, "Adam: a method for stochastic optimization", 2015.
    """

    kind = "adam"
    settings = ("lr", "betas", "eps", "weight_decay")
    decoupled: ClassVar[bool] = False
    """Whether the decay acts on the parameter itself instead of by way of the gradient."""

    eps = Number(low=0.0)
    weight_decay = Number(low=0.0)

    def __init__(
        self,
        lr: SupportsFloat = 1e-3,
        betas: Sequence[SupportsFloat] = (0.9, 0.999),
        eps: SupportsFloat = 1e-8,
        weight_decay: SupportsFloat = 0.0,
        *,
        schedule: Schedule | None = None,
    ) -> None:
        super().__init__(lr, schedule)
        self.betas = betas
        self.eps = eps
        self.weight_decay = weight_decay

    @property
    def betas(self) -> tuple[float, float]:
        """``(b1, b2)``, how much of the averages of the gradient and its square stays at each step."""
        return self._betas

    @betas.setter
    def betas(self, value: Sequence[SupportsFloat]) -> None:
        op = type(self).__name__
        if not isinstance(value, tuple | list):
            raise TypeError(f"{op}: expected betas to be a pair of numbers, got {type(value).__name__}")
        if len(value) != 2:
            raise ValueError(f"{op}: expected betas to be a pair of numbers, got {value!r}")
        first, second = (real(op, "betas", beta, low=0.0) for beta in value)
        if max(first, second) >= 1:
            raise ValueError(f"{op}: expected betas below 1, got {(first, second)}")
        self._betas = (first, second)

    @property
    def buffers(self) -> int:
        """2, for m and v."""
        return 2

    def rule(self) -> dict[str, Any]:
        """The settings but the learning rate."""
        return {
            "beta1": self.betas[0],
            "beta2": self.betas[1],
            "eps": self.eps,
            "weight_decay": self.weight_decay,
            "decoupled": self.decoupled,
        }

    def _update(self, parameters: Operands, gradients: Operands, state: list[Operands], lr: float) -> None:
        m, v = state
        numbers = (lr, *self.betas, self.eps, self.weight_decay)
        _core.adam_step(parameters, gradients, m, v, *numbers, self.decoupled, self.steps_done + 1)


class AdamW(Adam):
    """Adam whose decay acts on the parameter itself; PyTorch's ``torch.optim.AdamW``.

    As :class:`Adam` with ``g = gradient``, after ``parameter = parameter * (1 - lr * weight_decay)``.

    Args:
        lr: the learning rate, from 0.
        betas: ``(b1, b2)``, each from 0 and below 1.
        eps: from 0.
        weight_decay: from 0.
        schedule: what multiplies the learning rate at each step of a run.

    Raises:
        TypeError: a setting of another type.
        ValueError: a setting that is NaN or out of range.

    Source: I. Loshchilov, F. Hutter, "Decoupled weight decay regularization", 2019.
    """

    decoupled = True

    def __init__(
        self,
        lr: SupportsFloat = 1e-3,
        betas: Sequence[SupportsFloat] = (0.9, 0.999),
        eps: SupportsFloat = 1e-8,
        weight_decay: SupportsFloat = 1e-2,
        *,
        schedule: Schedule | None = None,
    ) -> None:
        super().__init__(lr, betas, eps, weight_decay, schedule=schedule)
