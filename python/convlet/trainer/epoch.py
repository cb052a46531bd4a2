"""One pass over the data: its order, and how far it has come."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._arrays import Labels
from ..history import Row
from .case import Case

__all__ = ["Epoch", "Progress", "epoch_order"]


class Progress(NamedTuple):
    """How far an epoch, counted from 1, has come, and its figures up to there."""

    epoch: int
    images: int
    train_loss: float
    train_accuracy: float
    images_per_second: float


def epoch_order(images: int, seed: int, epoch: int) -> Labels:
    """The order of the images in an epoch, counted from 0: the same on every device.

    ``Generator(PCG64(SeedSequence([seed, epoch]))).permutation(images)``: it depends on no other epoch, so
    that each can be repeated by itself.
    """
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, epoch]))).permutation(images)


@dataclass
class Epoch:
    """An epoch, counted from 0, that has begun; it may have stopped halfway.

    Attributes:
        number: how many epochs came before.
        steps_before: how many steps the optimizer had made.
        totals: steps, images, the loss of each batch times its images, and right answers; the engine adds
            to them after each step.
        seconds: spent on its training.
    """

    number: int
    steps_before: int
    totals: NDArray[np.float64] = field(default_factory=lambda: np.zeros(4))
    seconds: float = 0.0

    @property
    def images(self) -> int:
        """How many images it has seen: where in its order it is."""
        return int(self.totals[1])

    def progress(self, case: Case) -> Progress:
        """The figures so far. Labels that do not count are taken to come evenly."""
        _, images, loss, correct = self.totals.tolist()
        seen = max(images, 1)
        return Progress(
            epoch=self.number + 1,
            images=int(images),
            train_loss=loss / seen,
            train_accuracy=correct / (seen * case.counted_share),
            images_per_second=images / max(self.seconds, 1e-9),
        )

    def row(self, case: Case, tested: tuple[float, float] | None) -> Row:
        """The figures at its end, with the loss and the accuracy of the test, if there was one."""
        done = self.progress(case)
        test_loss, test_accuracy = tested or (None, None)
        return Row(
            epoch=done.epoch,
            train_loss=done.train_loss,
            train_accuracy=done.train_accuracy,
            test_loss=test_loss,
            test_accuracy=test_accuracy,
            seconds=self.seconds,
            images_per_second=done.images_per_second,
        )
