"""The figures of a run as a table for other programs."""

from __future__ import annotations

import csv
import io
import os
from dataclasses import asdict, fields
from pathlib import Path

from .._files import check_folder, write_atomically
from ..history import History, Row
from ..trainer import Callback, Trainer

__all__ = ["CSVLogger"]


class CSVLogger(Callback):
    """Writes the history as comma-separated values after every epoch: a line of names, then a line an epoch.

    The file is whole at every moment, and of a run that goes on it has the earlier epochs too. A figure that
    there is not is left empty.

    Args:
        path: the file, replaced if it is there; its folder is made at the beginning of a run.

    Raises:
        OSError: the file cannot be written; a previous one is untouched.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)

    def on_start(self, trainer: Trainer) -> None:
        """Prove that the file can be written, before an hour of training.

        A run that goes on has rows already, the last of which may yet have to be written.
        """
        check_folder(Path(self.path).parent)
        if trainer.history:
            self._write(trainer.history)

    def on_epoch(self, row: Row, trainer: Trainer) -> None:
        """Write the table anew."""
        self._write(trainer.history)

    def _write(self, history: History) -> None:
        text = io.StringIO()
        table = csv.DictWriter(text, [field.name for field in fields(Row)], lineterminator="\n")
        table.writeheader()
        table.writerows(asdict(done) for done in history)
        write_atomically(self.path, text.getvalue().encode())
