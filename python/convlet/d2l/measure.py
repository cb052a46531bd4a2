"""Clocks, sums and accuracies."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import accumulate

import numpy as np

from .._arrays import Array, Numbers, as_array, integer, real
from .loader import Batches

__all__ = ["Accumulator", "Timer", "accuracy", "evaluate_accuracy", "evaluate_accuracy_gpu"]


class Timer:
    """A clock that runs from the moment it is made.

    Attributes:
        times: what it has measured, in seconds.
    """

    def __init__(self) -> None:
        self.times: list[float] = []
        self.start()

    def start(self) -> None:
        """Begin to measure."""
        self._started = time.perf_counter()

    def stop(self) -> float:
        """Seconds since :meth:`start`, which are also kept."""
        self.times.append(time.perf_counter() - self._started)
        return self.times[-1]

    def avg(self) -> float:
        """The mean of all times; ``ValueError`` before the first."""
        if not self.times:
            raise ValueError("Timer: expected at least one call of stop(), got none")
        return self.sum() / len(self.times)

    def sum(self) -> float:
        """All times together."""
        return sum(self.times)

    def cumsum(self) -> list[float]:
        """The sum after each time."""
        return list(accumulate(self.times))


class Accumulator:
    """``n`` sums that grow together: ``metric.add(loss * n, correct, n)``, ``metric[0]``."""

    def __init__(self, n: int) -> None:
        self.data = [0.0] * integer("Accumulator", "n", n)

    def add(self, *args: float) -> None:
        """Add a number to each sum."""
        if len(args) != len(self.data):
            raise ValueError(f"Accumulator.add: expected {len(self.data)} numbers, got {len(args)}")
        numbers = [real("Accumulator.add", "every argument", number) for number in args]
        self.data = [before + number for before, number in zip(self.data, numbers, strict=True)]

    def reset(self) -> None:
        """Begin at zero again."""
        self.data = [0.0] * len(self.data)

    def __getitem__(self, index: int) -> float:
        return self.data[index]


def accuracy(y_hat: Numbers, y: Numbers) -> float:
    """How many predictions are right: a number of images, and not a share.

    Args:
        y_hat: a score for every class, (N, K), or the predicted classes themselves, (N,).
        y: the true classes, (N,).

    Raises:
        ValueError: another number of predictions than of classes.
    """
    scores, truth = as_array("accuracy", "y_hat", y_hat), as_array("accuracy", "y", y)
    predicted = scores.argmax(axis=1) if scores.ndim > 1 and scores.shape[1] > 1 else scores
    if predicted.shape != truth.shape:
        raise ValueError(f"accuracy: expected a prediction for each of {truth.shape}, got {predicted.shape}")
    return float(np.count_nonzero(predicted == truth))


def evaluate_accuracy(net: Callable[[Array], Array], data_iter: Batches) -> float:
    """The share, 0 to 1, of images that a net gets right.

    Args:
        net: a net, or any function from images to scores (N, K).
        data_iter: batches of (images, labels).

    Raises:
        ValueError: no images at all.
    """
    metric = Accumulator(2)
    for images, labels in data_iter:
        metric.add(accuracy(net(images), labels), len(labels))
    if not metric[1]:
        raise ValueError("evaluate_accuracy: expected at least one image, got none")
    return metric[0] / metric[1]


def evaluate_accuracy_gpu(net: Callable[[Array], Array], data_iter: Batches, device: object = None) -> float:
    """:func:`evaluate_accuracy`, whatever ``device`` says: a net runs where it is."""
    return evaluate_accuracy(net, data_iter)
