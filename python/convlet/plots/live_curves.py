"""Curves that grow while a net is trained."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Any, Protocol

from .._arrays import integer
from .canvas import blank, saved
from .curves import Figures, draw

if TYPE_CHECKING:
    from .picture import Picture

__all__ = ["LiveCurves", "in_notebook"]

_PAUSE_SECONDS = 0.4  # between two pictures within an epoch: to draw one takes 0.1
_POINTS = 5  # running figures that are kept of an epoch


class Underway(Protocol):
    """How far an epoch has come, as the trainer tells ``on_progress``."""

    @property
    def epoch(self) -> int: ...
    @property
    def images(self) -> int: ...
    @property
    def train_loss(self) -> float: ...
    @property
    def train_accuracy(self) -> float: ...


class LiveCurves:
    """Draws the curves of a training anew after every epoch: ``trainer.fit(..., on_epoch=LiveCurves())``.

    In a notebook one picture under the cell follows the training. Everywhere the picture is saved as
    ``path``, if there is one, and :attr:`picture` is its last state.

    Args:
        epochs: how many there will be, so that the axis has its full length from the beginning.
        images: how many there are in an epoch. With it :meth:`on_progress` can follow the training within the
            epochs: ``live = LiveCurves(10, len(train)); trainer.fit(..., on_epoch=live,
            on_progress=live.on_progress)``.
        path: where to save the picture after every epoch; its ending says the format.

    Attributes:
        rows: the figures of the epochs so far.
        within: running figures inside of them, ``(epochs done, loss, accuracy)``.

    Raises:
        ImportError: matplotlib is not installed.
        TypeError: a number that is none.
        ValueError: a number below 1.
    """

    def __init__(
        self,
        epochs: int | None = None,
        images: int | None = None,
        path: str | os.PathLike[str] | None = None,
    ) -> None:
        blank(
            "LiveCurves", 1.0, 1.0
        )  # what is missing is told before the training, not after its first epoch
        self.epochs = None if epochs is None else integer("LiveCurves", "epochs", epochs)
        self.images = None if images is None else integer("LiveCurves", "images", images)
        self.path = path
        self.rows: list[Figures] = []
        self.within: list[tuple[float, float, float]] = []
        self._shown: Any = None
        self._drawn_at = 0.0

    def __call__(self, row: Figures) -> None:
        """Take the figures of an epoch that is over, and draw."""
        self.rows.append(row)
        if in_notebook():
            self._show()
        if self.path is not None:
            saved(self.picture, self.path)

    def on_progress(self, progress: Underway) -> None:
        """Take running figures, about five an epoch, and draw them in a notebook now and then."""
        if self.images is None:
            raise ValueError(
                "LiveCurves: expected images, the number of them in an epoch, for on_progress, got None"
            )
        done = progress.epoch - 1 + progress.images / self.images
        last = max(float(progress.epoch - 1), self.within[-1][0] if self.within else 0.0)
        if progress.images >= self.images or int(_POINTS * done) <= int(_POINTS * last):
            return
        self.within.append((done, progress.train_loss, progress.train_accuracy))
        if in_notebook() and time.monotonic() - self._drawn_at > _PAUSE_SECONDS:
            self._show()

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Any:
        return iter(self.rows)

    @property
    def picture(self) -> Picture:
        """The curves so far; ``ValueError`` if there is not one figure yet."""
        if not self.rows and not self.within:
            raise ValueError("LiveCurves: expected at least one figure of a training, got none")
        picture = blank("LiveCurves", 5.0, 3.6, layout="constrained")
        draw(picture.add_subplot(), self, self.epochs)
        return picture

    def _show(self) -> None:
        """Put the picture under the cell, or in the place of the one that is there."""
        from IPython.display import display

        if self._shown is None:
            self._shown = display(self.picture, display_id=True)
        else:
            self._shown.update(self.picture)
        self._drawn_at = time.monotonic()


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook; IPython is not loaded to find out."""
    module = sys.modules.get("IPython")
    shell = None if module is None else module.get_ipython()
    return hasattr(shell, "kernel")
