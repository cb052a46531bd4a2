"""A figure that is watched, and which epoch was its best."""

from __future__ import annotations

import math
from typing import SupportsFloat

from .._arrays import choice, real
from ..history import Row
from ..trainer import Trainer

__all__ = ["Monitor"]

_FIGURES = ("test_loss", "test_accuracy", "train_loss", "train_accuracy")


class Monitor:
    """The best value of a figure so far: of a loss the smallest, of an accuracy the largest.

    Args:
        op: whose it is, for messages.
        figure: ``test_loss``, ``test_accuracy``, ``train_loss`` or ``train_accuracy``.
        min_delta: a better value is one that is better by more than this.

    Attributes:
        best_epoch: counted from 1; 0 before the first.
        best: its figure.

    Raises:
        TypeError: an argument of another type.
        ValueError: an unknown figure, or a negative ``min_delta``.
    """

    def __init__(self, op: str, figure: str, min_delta: SupportsFloat = 0.0) -> None:
        self.op, self.figure = op, choice(op, "monitor", figure, _FIGURES)
        self.min_delta = real(op, "min_delta", min_delta, low=0.0)
        self.best_epoch, self.best = 0, math.nan

    def start(self, trainer: Trainer) -> None:
        """Begin anew, with the rows of a run that goes on; ``ValueError`` if there will be no figure."""
        if self.figure.startswith("test") and not trainer.history.config["validation_images"]:
            raise ValueError(
                f"{self.op}: expected validation images for monitor={self.figure!r}, got a run without"
            )
        self.best_epoch, self.best = 0, math.nan
        for row in trainer.history:
            self.improved(row)

    def improved(self, row: Row) -> bool:
        """Whether this row is better than all before it; NaN, and no figure, never is."""
        value = row[self.figure]
        if value is None or math.isnan(value):
            return False
        gain = self.best - value if self.figure.endswith("loss") else value - self.best
        if self.best_epoch and not gain > self.min_delta:
            return False
        self.best_epoch, self.best = row.epoch, value
        return True
