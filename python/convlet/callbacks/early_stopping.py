"""The end of a run that gets no better."""

from __future__ import annotations

from typing import SupportsFloat, SupportsIndex

from .._arrays import Array, flag, integer
from ..history import Row
from ..trainer import Callback, StopTraining, Trainer
from .monitor import Monitor

__all__ = ["EarlyStopping"]


class EarlyStopping(Callback):
    """Ends a run once a figure has not become better for ``patience`` epochs.

    Args:
        monitor: ``test_loss``, ``test_accuracy``, ``train_loss`` or ``train_accuracy``.
        patience: epochs in a row without a better figure.
        min_delta: a better figure is one that is better by more than this.
        restore_best: whether the net gets the weights of its best epoch when the run ends, early or not. The
            optimizer and the history stay as they are. A run that is broken off keeps its last weights, and
            so does one that went on from a checkpoint and has not become better since.

    Attributes:
        stopped_epoch: after which epoch the run was ended; 0 if it was not.

    Raises:
        TypeError: an argument of another type.
        ValueError: an argument out of range; at the beginning of a run, that it has no such figure.
    """

    def __init__(
        self,
        monitor: str = "test_loss",
        patience: SupportsIndex = 3,
        min_delta: SupportsFloat = 0.0,
        restore_best: bool = True,
    ) -> None:
        op = "EarlyStopping"
        self._monitor = Monitor(op, monitor, min_delta)
        self.patience = integer(op, "patience", patience)
        self.restore_best = flag(op, "restore_best", restore_best)
        self.stopped_epoch = 0
        self._weights: dict[str, Array] | None = None

    @property
    def best_epoch(self) -> int:
        """The epoch of the best figure, counted from 1; 0 before the first."""
        return self._monitor.best_epoch

    def on_start(self, trainer: Trainer) -> None:
        """Begin anew; the rows of a run that goes on count."""
        self._monitor.start(trainer)
        self._weights, self.stopped_epoch = None, 0

    def on_epoch(self, row: Row, trainer: Trainer) -> None:
        """Compare, and stop."""
        if self._monitor.improved(row):
            self._weights = trainer.net.state_dict() if self.restore_best else None
        elif row.epoch - self.best_epoch >= self.patience:
            self.stopped_epoch = row.epoch
            raise StopTraining

    def on_end(self, trainer: Trainer, error: BaseException | None) -> None:
        """Give the net its best weights."""
        if self._weights is not None and error is None:
            trainer.net.load_state_dict(self._weights)
        self._weights = None
