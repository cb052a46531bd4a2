"""Which learning rates a net can be trained with, found by trying them."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import SupportsFloat, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from ._arrays import integer, real
from .nn import CrossEntropyLoss, Sequential
from .optim import Optimizer
from .trainer import Data, epoch_order
from .trainer.case import cases_of

__all__ = ["LearningRates", "find_learning_rate"]

_MEMORY = 0.9  # of the smoothed loss: about ten steps
_LEARNS = 0.95  # of the loss of guessing; no batch of a net that guesses has less
_DIVERGED = 4.0  # times the smallest loss so far; fastai's limit


@dataclass(frozen=True, eq=False)
class LearningRates:
    """What a range test saw.

    Attributes:
        rates: the learning rates that were tried, ascending, (S,).
        losses: the smoothed loss before the step with each, (S,), in nats.
        suggestion: where the loss fell fastest, a rate to begin with; ``None`` if it did not fall.
    """

    rates: NDArray[np.float64]
    losses: NDArray[np.float64]
    suggestion: float | None


def find_learning_rate(
    net: Sequential,
    optimizer: Optimizer,
    loss: CrossEntropyLoss,
    data: Data,
    low: SupportsFloat = 1e-5,
    high: SupportsFloat = 10.0,
    steps: SupportsIndex = 100,
    seed: SupportsIndex = 0,
    batch_size: SupportsIndex = 256,
) -> LearningRates:
    """Leslie Smith's range test: train for some steps while the learning rate grows, and look at the loss.

    Step s of S has the rate ``low * (high / low) ** (s / (S - 1))``. The loss of a batch is smoothed by
    ``a[s] = 0.9 a[s-1] + 0.1 loss[s]``, divided by ``1 - 0.9 ** (s + 1)``. The test ends early once it is
    no finite number, or above four times its smallest value. The suggestion is the rate at which the smoothed
    loss falls fastest over the logarithm of the rate, by the slope of a line through a tenth of the steps
    around it, between the first tenth of the steps and the smallest loss. There is none for a net
    whose loss on no batch gets below that of guessing, ln K for K classes, as the article's sigmoid LeNet in
    so few steps: what falls there is only the surplus of its first weights.

    The net and the optimizer stay as they are: copies of them are trained, on the CPU. A schedule of the
    optimizer is not looked at.

    Args:
        net: with the weights that the training will begin with.
        optimizer: of the kind and with the settings of the training, but for its ``lr``.
        loss: what is minimised.
        data: a data set, or ``(images, labels)``.
        low: the first rate.
        high: the last rate.
        steps: how many, from 3; about ten times as many make for a less noisy curve.
        seed: of the order of the images, :func:`convlet.trainer.epoch_order`.
        batch_size: images a step, as in the training: the right rate depends on it.

    Returns:
        The rates, the smoothed losses and the suggestion; ``plots.learning_rates`` draws them.

    Raises:
        TypeError: an argument of another type.
        ValueError: an argument out of range, images and labels that do not fit each other or the net, or a
            loss that is no finite number at the start.

    Source: L. N. Smith, "Cyclical learning rates for training neural networks", 2017, section 3.3; the
    smoothing and the end after S. Gugger, "How do you find a good learning rate", 2018.
    """
    op = "find_learning_rate"
    for name, given, kind in (("net", net, Sequential), ("optimizer", optimizer, Optimizer)):
        if not isinstance(given, kind):
            raise TypeError(f"{op}: expected {name} of type {kind.__name__}, got {type(given).__name__}")
    first, last = real(op, "low", low, 0.0), real(op, "high", high, 0.0)
    if not 0 < first < last:
        raise ValueError(f"{op}: expected 0 < low < high, got low {first:g} and high {last:g}")
    count, batch = integer(op, "steps", steps, 3), integer(op, "batch_size", batch_size)
    order_seed = integer(op, "seed", seed, 0, 2**64 - 1)
    case, _ = cases_of(data, None, net, loss, order_seed)
    trained, stepped = copy.deepcopy(net), copy.copy(optimizer)
    stepped.load_state_dict(optimizer.state_dict())
    per_epoch = -(-len(case.labels) // batch)
    rates = np.geomspace(first, last, count)
    losses: list[float] = []
    mean, lowest = 0.0, math.inf
    for step, rate in enumerate(rates.tolist()):
        epoch, place = divmod(step, per_epoch)
        if place == 0:
            order = epoch_order(len(case.labels), order_seed, epoch)
        chosen = order[place * batch : (place + 1) * batch]
        value, gradients = trained.loss_and_gradients(case.images[chosen], case.labels[chosen], loss)
        mean = _MEMORY * mean + (1 - _MEMORY) * value
        smoothed = mean / (1 - _MEMORY ** (step + 1))
        if not math.isfinite(smoothed) or smoothed > _DIVERGED * min(losses, default=math.inf):
            break
        losses.append(smoothed)
        lowest = min(lowest, value)
        stepped.step(trained.parameters(), gradients, rate)
    if not losses:
        raise ValueError(f"{op}: expected a finite loss to start with, got {value}")
    tried, seen = rates[: len(losses)], np.array(losses)
    (classes,) = net.plan(case.images.shape[1:]).output_shape
    guessing = math.log(classes) if loss.reduction == "mean" else math.inf
    learns = lowest < _LEARNS * guessing
    return LearningRates(tried, seen, _suggestion(tried, seen, count) if learns else None)


def _suggestion(rates: NDArray[np.float64], losses: NDArray[np.float64], steps: int) -> float | None:
    """Where the loss falls fastest over the logarithm of the rate."""
    settled, lowest, half = steps // 10, int(losses.argmin()), max(1, steps // 20)
    if lowest <= settled:
        return None
    logs = np.log(rates)
    slopes = []
    for step in range(settled, lowest + 1):
        around = slice(max(0, step - half), min(lowest, step + half) + 1)
        slopes.append(float(np.polyfit(logs[around], losses[around], 1)[0]))
    steepest = int(np.argmin(slopes))
    return float(rates[settled + steepest]) if slopes[steepest] < 0 else None
