"""The figures of a run for TensorBoard."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .._files import check_folder
from ..history import Row
from ..trainer import Callback, Trainer

__all__ = ["TensorBoardLogger"]

_SCALARS = {
    "loss/train": "train_loss",
    "loss/test": "test_loss",
    "accuracy/train": "train_accuracy",
    "accuracy/test": "test_accuracy",
    "images_per_second": "images_per_second",
}


class TensorBoardLogger(Callback):
    """Writes the figures of every epoch as scalars: ``tensorboard --logdir FOLDER`` draws them.

    Args:
        folder: where the event files go; each run writes one of its own.

    Raises:
        ImportError: tensorboardX is not installed.
        OSError: the folder cannot be written.

    Source: https://github.com/lanpa/tensorboardX, which writes the files.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        try:
            from tensorboardX import SummaryWriter
        except ImportError as error:
            raise ImportError(
                'TensorBoardLogger: needs tensorboardX; pip install "convlet[tensorboard]"'
            ) from error
        self.folder = os.fspath(folder)
        self._new_writer = SummaryWriter
        self._writer: Any = None

    def on_start(self, trainer: Trainer) -> None:
        """Open a file; the last row of a run that goes on may yet have to be written."""
        check_folder(self.folder)
        self._writer = self._new_writer(self.folder, write_to_disk=True)
        if trainer.history:
            self.on_epoch(trainer.history[-1], trainer)

    def on_epoch(self, row: Row, trainer: Trainer) -> None:
        """Write the row, so that it can be seen at once."""
        for tag, figure in _SCALARS.items():
            if row[figure] is not None:
                self._writer.add_scalar(tag, row[figure], row.epoch)
        with self._naming_the_folder():
            self._writer.flush()

    def on_end(self, trainer: Trainer, error: BaseException | None) -> None:
        """Close the file; where that fails after another error, the other one counts."""
        try:
            with self._naming_the_folder():
                self._writer.close()
        except OSError:
            if error is None:
                raise
        finally:
            self._writer = None

    @contextmanager
    def _naming_the_folder(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OSError(error.errno, f"cannot write to {self.folder}: {error.strerror or error}") from error
