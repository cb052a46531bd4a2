"""How the learning rate changes over a run: the factor that it is multiplied by at every step."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Protocol

from .._arrays import function, integer, real

__all__ = ["Constant", "Cosine", "LinearWarmup", "Schedule", "StepDecay"]


class Schedule(Protocol):
    """Anything that gives the factor of a step; a plain function will do."""

    def __call__(self, step: int, total_steps: int, steps_per_epoch: int | None = None, /) -> float:
        """The factor, from 0, of step number ``step``, which counts from 0, of ``total_steps``."""


@dataclass(frozen=True)
class Constant:
    """The factor 1 throughout."""

    def __call__(self, step: int, total_steps: int, steps_per_epoch: int | None = None, /) -> float:
        """1."""
        return 1.0


@dataclass(frozen=True)
class StepDecay:
    """``gamma ** floor(epoch / step_size)``, epochs counted from 0; PyTorch's ``StepLR``.

    Args:
        step_size: epochs between two drops.
        gamma: what is left at each drop, from 0.

    Raises:
        TypeError: a setting of another type.
        ValueError: a setting out of range.
    """

    step_size: int
    gamma: float = 0.1

    def __post_init__(self) -> None:
        integer("StepDecay", "step_size", self.step_size)
        real("StepDecay", "gamma", self.gamma, low=0.0)

    def __call__(self, step: int, total_steps: int, steps_per_epoch: int | None = None, /) -> float:
        """The factor of that step; it needs ``steps_per_epoch``."""
        if steps_per_epoch is None:
            raise ValueError("StepDecay: expected steps_per_epoch, since it counts epochs, got None")
        return float(self.gamma ** (step // steps_per_epoch // self.step_size))


@dataclass(frozen=True)
class Cosine:
    """``floor + (1 - floor) * (1 + cos(pi * step / total_steps)) / 2``: from 1 down to ``floor``.

    Args:
        floor: the factor at the end, 0 to 1.

    Raises:
        TypeError: a floor that is no number.
        ValueError: a floor out of range.

    Source: I. Loshchilov, F. Hutter, "SGDR: stochastic gradient descent with warm restarts", 2017.
    """

    floor: float = 0.0

    def __post_init__(self) -> None:
        real("Cosine", "floor", self.floor, 0.0, 1.0)

    def __call__(self, step: int, total_steps: int, steps_per_epoch: int | None = None, /) -> float:
        """The factor of that step."""
        return self.floor + (1 - self.floor) * (1 + math.cos(math.pi * step / total_steps)) / 2


@dataclass(frozen=True)
class LinearWarmup:
    """``(step + 1) / steps`` for the first ``steps`` steps, then another schedule over the rest.

    Args:
        steps: how many steps the warm-up takes; the last of them has the factor 1.
        after: the schedule for the rest, whose step 0 is the first one after the warm-up.

    Raises:
        TypeError: a number of steps that is no integer, or an ``after`` that is no function.
        ValueError: a number of steps below 1.

    Source: P. Goyal et al., "Accurate, large minibatch SGD: training ImageNet in 1 hour", 2017.
    """

    steps: int
    after: Schedule = field(default_factory=Constant)

    def __post_init__(self) -> None:
        integer("LinearWarmup", "steps", self.steps)
        function("LinearWarmup", "after", self.after)

    def __call__(self, step: int, total_steps: int, steps_per_epoch: int | None = None, /) -> float:
        """The factor of that step."""
        if step < self.steps:
            return (step + 1) / self.steps
        return self.after(step - self.steps, total_steps - self.steps, steps_per_epoch)
