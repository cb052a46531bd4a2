"""The results of a sweep as one table: by net, and by setting over the seeds."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .._files import write_atomically
from .job import Result

__all__ = ["Group", "Table"]

_SETTINGS = ("lr", "batch_size", "seed")
_FIGURES = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")


@dataclass(frozen=True)
class Group:
    """The nets that differ in nothing but the seed.

    ``mean``, ``sd`` (with n - 1; None for a single net), ``lowest`` and ``highest`` are of the test accuracy,
    0 to 1, and ``loss`` is the mean of the training loss, all over those of the ``nets`` that did not fail.
    ``best_seed`` is that of the highest accuracy. Where all have failed, they are None.
    """

    lr: float
    batch_size: int
    nets: int
    failed: int
    mean: float | None
    sd: float | None
    lowest: float | None
    highest: float | None
    loss: float | None
    best_seed: int | None


class Table:
    """Results in the order of their jobs.

    Args:
        results: of all jobs that have ended.
    """

    def __init__(self, results: Sequence[Result]) -> None:
        self.results = list(results)

    @property
    def best(self) -> Result | None:
        """The net of the highest test accuracy, the first of equals; None if all have failed."""
        done = [result for result in self.results if not math.isnan(result.accuracy)]
        return max(done, key=lambda result: result.accuracy, default=None)

    def members(self) -> dict[tuple[float, int], list[Result]]:
        """The results by learning rate and batch size."""
        groups: dict[tuple[float, int], list[Result]] = {}
        for result in self.results:
            groups.setdefault((result.job.lr, result.job.batch_size), []).append(result)
        return groups

    def groups(self) -> list[Group]:
        """The results over the seeds, by learning rate and batch size."""
        return [_group(lr, batch_size, results) for (lr, batch_size), results in self.members().items()]

    def rows(self) -> list[dict[str, Any]]:
        """A row of plain data for each net: its settings, its last figures, its time, its error or None."""
        return [
            {
                **{name: getattr(result.job, name) for name in _SETTINGS},
                **{name: result.figures.get(name) for name in _FIGURES},
                "seconds": result.seconds,
                "error": result.error,
            }
            for result in self.results
        ]

    def to_dict(self) -> dict[str, Any]:
        """``{"groups": [...], "best": row or None, "nets": [row, ...]}``, as in ``table.json``."""
        rows, best = self.rows(), self.best
        return {
            "groups": [asdict(group) for group in self.groups()],
            "best": None if best is None else rows[self.results.index(best)],
            "nets": rows,
        }

    def save_json(self, path: str | os.PathLike[str]) -> None:
        """Write :meth:`to_dict`, at once or not at all (``OSError``)."""
        write_atomically(path, (json.dumps(self.to_dict(), indent=2) + "\n").encode())

    def save_csv(self, path: str | os.PathLike[str]) -> None:
        """Write :meth:`rows` with a line of names, at once or not at all (``OSError``)."""
        text = io.StringIO()
        writer = csv.DictWriter(text, [*_SETTINGS, *_FIGURES, "seconds", "error"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows())
        write_atomically(path, text.getvalue().encode())


def _group(lr: float, batch_size: int, results: Sequence[Result]) -> Group:
    done = [result for result in results if not math.isnan(result.accuracy)]
    accuracies = [result.accuracy for result in done]
    best = max(done, key=lambda result: result.accuracy, default=None)
    return Group(
        lr=lr,
        batch_size=batch_size,
        nets=len(results),
        failed=len(results) - len(done),
        mean=statistics.fmean(accuracies) if done else None,
        sd=statistics.stdev(accuracies) if len(done) > 1 else None,
        lowest=min(accuracies, default=None),
        highest=max(accuracies, default=None),
        loss=statistics.fmean(float(result.figures["train_loss"]) for result in done) if done else None,
        best_seed=None if best is None else best.job.seed,
    )
