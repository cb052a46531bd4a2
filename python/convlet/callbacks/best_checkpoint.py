"""The best epoch of a run as a file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import SupportsFloat

from .._arrays import words
from .._files import check_folder
from ..checkpoint import Checkpoint, SavedNet, describe, save_checkpoint
from ..history import Row
from ..trainer import Callback, Trainer
from .monitor import Monitor

__all__ = ["BestCheckpoint"]


class BestCheckpoint(Callback):
    """Writes a checkpoint after every epoch that is better than all before it.

    The file is whole at every moment. It is a net for ``convlet.checkpoint.load_net`` and the command line,
    and a place to go on from, ``fit(..., resume=load_checkpoint(path))``.

    Args:
        path: the file; its folder is made at the beginning of a run.
        monitor: ``test_loss``, ``test_accuracy``, ``train_loss`` or ``train_accuracy``.
        min_delta: a better figure is one that is better by more than this.
        classes: the names of the net's outputs, for the file; by default their numbers.

    Raises:
        OSError: the file cannot be written; a previous one is untouched.
        TypeError: an argument of another type.
        ValueError: an argument out of range; at the beginning of a run, that it has no such figure, or that
            the net has another number of outputs than there are classes.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        monitor: str = "test_loss",
        min_delta: SupportsFloat = 0.0,
        classes: Sequence[str] | None = None,
    ) -> None:
        self.path = os.fspath(path)
        self.classes = None if classes is None else words("BestCheckpoint", "classes", classes)
        self._monitor = Monitor("BestCheckpoint", monitor, min_delta)

    @property
    def best_epoch(self) -> int:
        """The epoch of the best figure, counted from 1; 0 before the first."""
        return self._monitor.best_epoch

    def on_start(self, trainer: Trainer) -> None:
        """Begin anew; the rows of a run that goes on count, and its last one may yet have to be written."""
        self._monitor.start(trainer)
        (outputs,) = trainer.net.plan(_image(trainer)).output_shape
        if self.classes is not None and len(self.classes) != outputs:
            raise ValueError(
                f"BestCheckpoint: expected {outputs} classes, as the net has outputs, got {len(self.classes)}"
            )
        check_folder(Path(self.path).parent)
        self._names = self.classes or tuple(map(str, range(outputs)))
        checkpoint = trainer.checkpoint()
        if self.best_epoch == checkpoint.epoch > 0 and not checkpoint.totals.any():
            self._write(checkpoint, trainer)  # the run that goes on may have been killed before it could

    def on_epoch(self, row: Row, trainer: Trainer) -> None:
        """Compare, and write."""
        if self._monitor.improved(row):
            self._write(trainer.checkpoint(), trainer)

    def _write(self, checkpoint: Checkpoint, trainer: Trainer) -> None:
        checkpoint.notes = describe(SavedNet(trainer.net, _image(trainer), self._names))
        save_checkpoint(self.path, checkpoint)


def _image(trainer: Trainer) -> tuple[int, ...]:
    """The shape of an image of the run."""
    return tuple(trainer.history.config["images"][1:])
