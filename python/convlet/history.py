"""The figures of a training run, one row an epoch, as a list, a JSON file and a line of text."""

from __future__ import annotations

import json
import os
import reprlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from ._files import write_atomically
from ._html import table

__all__ = ["History", "Row", "row_from_dict"]

_MISSING = {name: (type(None),) for name in ("test_loss", "test_accuracy")}


@dataclass(frozen=True, eq=False)
class Row(Mapping[str, Any]):
    """The figures of one epoch, as attributes or as items: ``row.test_loss``, ``row["test_loss"]``.

    ``train_loss`` (nats an image) and ``train_accuracy`` (0 to 1) are means over the epoch's images, each
    taken before the update of the batch that holds it. ``test_loss`` and ``test_accuracy`` come from the
    whole validation set after the epoch, and are ``None`` where there is none. ``seconds`` and
    ``images_per_second`` time the training alone, without the test. Epochs count from 1.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    test_loss: float | None
    test_accuracy: float | None
    seconds: float
    images_per_second: float

    def __getitem__(self, name: str) -> Any:
        if name not in self.__dataclass_fields__:
            raise KeyError(name)
        return getattr(self, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.__dataclass_fields__)

    def __len__(self) -> int:
        return len(self.__dataclass_fields__)

    def line(self, epochs: int) -> str:
        """One line: ``epoch 10/10  loss 0.458  train acc 0.827  test acc 0.823  80,000 images/s``."""
        width = len(str(epochs))
        parts = [
            f"epoch {self.epoch:>{width}}/{epochs}",
            f"loss {self.train_loss:.3f}",
            f"train acc {self.train_accuracy:.3f}",
        ]
        if self.test_accuracy is not None:
            parts.append(f"test acc {self.test_accuracy:.3f}")
        parts.append(f"{self.images_per_second:,.0f} images/s")
        return "  ".join(parts)


class History(list[Row]):
    """A list of :class:`convlet.history.Row`, with what the run was asked for and how long it took.

    Attributes:
        config: the run's settings, plain data that JSON can hold.
        total_seconds: wall time of the whole fit, tests included, over all its interruptions.
        within: running training figures inside the epochs, ``(epochs done, loss, accuracy)`` with a
            fraction for the first, about five an epoch; for curves, and not part of the file.
    """

    def __init__(
        self,
        rows: Iterable[Row | Mapping[str, Any]] = (),
        config: Mapping[str, Any] | None = None,
        total_seconds: float = 0.0,
        within: Iterable[tuple[float, float, float]] = (),
    ) -> None:
        super().__init__(row if isinstance(row, Row) else row_from_dict(row) for row in rows)
        self.config: dict[str, Any] = dict(config or {})
        self.total_seconds = float(total_seconds)
        self.within: list[tuple[float, float, float]] = list(within)

    def to_dict(self) -> dict[str, Any]:
        """``{"config": {...}, "epochs": [row, ...], "total_seconds": s}``, as in ``history.json``."""
        return {
            "config": self.config,
            "epochs": [asdict(row) for row in self],
            "total_seconds": self.total_seconds,
        }

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write :meth:`to_dict` as JSON, at once or not at all (``OSError`` with the reason)."""
        write_atomically(path, (json.dumps(self.to_dict(), indent=2) + "\n").encode())

    def _repr_html_(self) -> str:
        """For a notebook: a table of the rows and, where matplotlib is installed, the curves."""
        head = ("epoch", "train loss", "train accuracy", "test loss", "test accuracy", "seconds", "images/s")
        rows = [
            (
                str(row.epoch),
                *map(_three_digits, (row.train_loss, row.train_accuracy, row.test_loss, row.test_accuracy)),
                f"{row.seconds:.2f}",
                f"{row.images_per_second:,.0f}",
            )
            for row in self
        ]
        shown = table("" if rows else "no epochs yet", head, rows, words=0)
        if not rows:
            return shown
        from .plots import curves

        try:
            return f"<div>{shown}{curves(self).svg()}</div>"
        except ImportError:
            return shown

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> History:
        """Read what :meth:`save` wrote; a file of another shape is a ``ValueError`` that names it."""
        try:
            content = json.loads(Path(path).read_bytes())
            return cls(content["epochs"], content["config"], content["total_seconds"])
        except (KeyError, OverflowError, RecursionError, TypeError, ValueError) as error:
            raise ValueError(
                f"{os.fspath(path)}: expected a history with config, epochs and total_seconds, got {error}"
            ) from error


def _three_digits(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def row_from_dict(values: Mapping[str, Any]) -> Row:
    """A :class:`Row` from its items, all of them and no other (``TypeError``, ``ValueError``)."""
    names = {field.name for field in fields(Row)}
    if not isinstance(values, Mapping) or set(values) != names:
        raise ValueError(f"a row {reprlib.repr(values)} instead of one with {', '.join(sorted(names))}")
    for name, value in values.items():
        kinds = (int,) if name == "epoch" else (int, float, *_MISSING.get(name, ()))
        if not isinstance(value, kinds) or isinstance(value, bool):
            raise TypeError(f"a row with {name} {reprlib.repr(value)} instead of a number")
        if isinstance(value, int) and abs(value) >= 2**63:
            raise ValueError(f"a row with {name} {reprlib.repr(value)}, which is no such number")
    return Row(**values)
