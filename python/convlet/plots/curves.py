"""Loss and accuracies over the epochs of a training."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from .canvas import BLUE, GREEN, PINK, blank, saved

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .picture import Picture

__all__ = ["curves"]


class Figures(Protocol):
    """What is drawn of one epoch, as :class:`convlet.history.Row` has it."""

    @property
    def epoch(self) -> int: ...
    @property
    def train_loss(self) -> float: ...
    @property
    def train_accuracy(self) -> float: ...
    @property
    def test_accuracy(self) -> float | None: ...


class Run(Protocol):
    """A training, as :class:`convlet.History` has it: figures by epoch, and running ones within them."""

    def __iter__(self) -> Iterator[Figures]: ...
    def __len__(self) -> int: ...
    @property
    def within(self) -> Sequence[tuple[float, float, float]]: ...


def curves(history: Run, path: str | os.PathLike[str] | None = None) -> Picture:
    """Draw training loss, training accuracy and test accuracy over the epochs, as the book does.

    Args:
        history: the rows of a run; its running figures within the epochs are drawn too, where it has them.
        path: where to save the picture; its ending says the format (``.png``, ``.svg``, ``.pdf``).

    Returns:
        The matplotlib figure, which belongs to no window and needs no screen.

    Raises:
        ImportError: matplotlib is not installed.
        OSError: the picture cannot be written; a previous one is untouched.
        TypeError: what is no history.
        ValueError: the history has no rows, or matplotlib knows no such format.

    Source: "Dive into Deep Learning", section 7.6 (LeNet), the figure under the training cell.
    """
    if not hasattr(history, "within") or not hasattr(history, "__len__"):
        raise TypeError(f"curves: expected a history of a run, got {type(history).__name__}")
    if not len(history):
        raise ValueError("curves: expected a history with at least one epoch, got none")
    picture = blank("curves", 5.0, 3.6, layout="constrained")
    draw(picture.add_subplot(), history)
    return saved(picture, path)


def draw(axes: Axes, history: Run, epochs: int | None = None) -> None:
    """Draw the curves of a run; one that is still on its way gets room for all its ``epochs``."""
    from matplotlib.ticker import MaxNLocator

    ends = [(float(row.epoch), row.train_loss, row.train_accuracy) for row in history]
    running = sorted([*ends, *history.within])
    tested = [(row.epoch, row.test_accuracy) for row in history if row.test_accuracy is not None]
    dot = "o" if len(running) == 1 else ""  # a line through one point shows nothing
    done, losses, accuracies = zip(*running, strict=True)
    axes.plot(done, losses, color=BLUE, linestyle="-", marker=dot, label="train loss")
    axes.plot(done, accuracies, color=PINK, linestyle="--", marker=dot, label="train accuracy")
    if tested:
        alone = "o" if len(tested) == 1 else ""
        axes.plot(
            *zip(*tested, strict=True), color=GREEN, linestyle="-.", marker=alone, label="test accuracy"
        )
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True))
    if epochs is not None and epochs > done[0]:
        axes.set_xlim(min(1.0, done[0]), epochs)
    else:
        axes.set_xlim((done[0], done[-1]) if len(running) > 1 else (done[0] - 1, done[0] + 1))
    axes.set_ylim(bottom=0.0)
    axes.grid(color="0.85", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.legend(loc="best", framealpha=0.9)
