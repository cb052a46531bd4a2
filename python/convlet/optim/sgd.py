"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any, SupportsFloat

from .. import _core
from .._arrays import flag
from .optimizer import Number, Operands, Optimizer
from .schedules import Schedule

__all__ = ["SGD"]


class SGD(Optimizer):
    """Gradient descent with momentum; PyTorch's ``torch.optim.SGD``.

    ``g = gradient + weight_decay * parameter``; with momentum ``buffer = g`` at the first step, then
    ``momentum * buffer + (1 - dampening) * g``, and g becomes ``buffer``, or ``g + momentum * buffer`` for
    Nesterov's; ``parameter = parameter - lr * g``.

    Args:
        lr: the learning rate, from 0.
        momentum: from 0.
        dampening: of the gradient's share in the buffer.
        weight_decay: from 0.
        nesterov: Nesterov's momentum, which needs momentum and no dampening.
        schedule: what multiplies the learning rate at each step of a run.

    Raises:
        TypeError: a setting of another type.
        ValueError: a setting that is NaN or out of range.

    Source: I. Sutskever et al., "On the importance of initialization and momentum in deep learning", 2013.
    """

    kind = "sgd"
    settings = ("lr", "momentum", "dampening", "weight_decay", "nesterov")

    momentum = Number(low=0.0)
    dampening = Number()
    weight_decay = Number(low=0.0)

    def __init__(
        self,
        lr: SupportsFloat,
        momentum: SupportsFloat = 0.0,
        dampening: SupportsFloat = 0.0,
        weight_decay: SupportsFloat = 0.0,
        nesterov: bool = False,
        *,
        schedule: Schedule | None = None,
    ) -> None:
        super().__init__(lr, schedule)
        self.momentum = momentum
        self.dampening = dampening
        self.weight_decay = weight_decay
        self.nesterov = flag("SGD", "nesterov", nesterov)
        self.rule()

    @property
    def buffers(self) -> int:
        """1 with momentum, else 0."""
        return int(self.momentum != 0)

    def rule(self) -> dict[str, Any]:
        """The settings but the learning rate; ``ValueError`` if Nesterov's momentum lacks what it needs."""
        if self.nesterov and (self.momentum == 0 or self.dampening != 0):
            raise ValueError(
                "SGD: expected momentum above 0 and dampening 0 with nesterov=True, "
                f"got momentum={self.momentum} and dampening={self.dampening}"
            )
        return {name: getattr(self, name) for name in self.settings[1:]}

    def _update(self, parameters: Operands, gradients: Operands, state: list[Operands], lr: float) -> None:
        buffers = state[0] if state else None
        first = self.steps_done == 0
        numbers = (lr, self.momentum, self.dampening, self.weight_decay)
        _core.sgd_step(parameters, gradients, buffers, *numbers, self.nesterov, first)
