"""Pictures of training runs. Needs matplotlib, which is loaded only when something is drawn."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

from ._files import write_atomically
from .history import History

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .sweeps import Table

__all__ = ["curves", "sweep"]

# Colours that stay apart for colour-blind readers (Okabe and Ito) and, by the dashes, in black and white.
_LOSS, _TRAIN, _TEST = "#0072B2", "#CC79A7", "#009E73"


def curves(history: History, path: str | os.PathLike[str] | None = None) -> Figure:
    """Draw training loss, training accuracy and test accuracy over the epochs, as the book does.

    Args:
        history: the rows of a run; its running figures within the epochs are drawn too, where it has them.
        path: where to save the picture; its ending says the format (``.png``, ``.svg``, ``.pdf``).

    Returns:
        The matplotlib figure, which belongs to no window and needs no screen.

    Raises:
        ImportError: matplotlib is not installed.
        OSError: the picture cannot be written; a previous one is untouched.
        ValueError: the history has no rows, or matplotlib knows no such format.

    Source: "Dive into Deep Learning", section 7.6 (LeNet), the figure under the training cell.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError('curves: needs matplotlib; pip install "convlet[plots]"') from error
    if not history:
        raise ValueError("curves: expected a history with at least one epoch, got none")
    figure = Figure(figsize=(5.0, 3.6), dpi=160, layout="constrained")
    axes = figure.add_subplot()
    _draw(axes, history)
    _save(figure, path)
    return figure


def _draw(axes: Axes, history: History) -> None:
    from matplotlib.ticker import MaxNLocator

    running = sorted(
        [(float(row.epoch), row.train_loss, row.train_accuracy) for row in history] + history.within
    )
    tested = [(row.epoch, row.test_accuracy) for row in history if row.test_accuracy is not None]
    dot = "o" if len(history) == 1 else ""  # a line through one point shows nothing
    done, losses, accuracies = zip(*running, strict=True)
    axes.plot(done, losses, color=_LOSS, linestyle="-", marker=dot, label="train loss")
    axes.plot(done, accuracies, color=_TRAIN, linestyle="--", marker=dot, label="train accuracy")
    if tested:
        axes.plot(*zip(*tested, strict=True), color=_TEST, linestyle="-.", marker=dot, label="test accuracy")
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True))
    axes.set_xlim((done[0], done[-1]) if len(running) > 1 else (done[0] - 1, done[0] + 1))
    axes.set_ylim(bottom=0.0)
    axes.grid(color="0.85", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.legend(loc="best", framealpha=0.9)


def sweep(table: Table, path: str | os.PathLike[str] | None = None) -> Figure:
    """Draw the results of a sweep: each net's test accuracy over its epochs, and the last ones by setting.

    On the left a line is the mean over the seeds, and the band goes from the lowest to the highest. On the
    right every net is a dot, and a bar is the mean.

    Args:
        table: what :func:`convlet.sweep` returned.
        path: where to save the picture; its ending says the format.

    Returns:
        The matplotlib figure.

    Raises:
        ImportError: matplotlib is not installed.
        OSError: the picture cannot be written; a previous one is untouched.
        ValueError: no net of the table came to an end, or matplotlib knows no such format.
    """
    try:
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator
    except ImportError as error:
        raise ImportError('sweep: needs matplotlib; pip install "convlet[plots]"') from error
    members = {
        f"lr {lr:g}, batch {batch_size}": [result for result in results if result.figures]
        for (lr, batch_size), results in table.members().items()
    }
    drawn = {name: results for name, results in members.items() if results}
    if not drawn:
        raise ValueError("sweep: expected a table with a net that came to an end, got none")
    figure = Figure(figsize=(9.0, 3.6), dpi=160, layout="constrained")
    over_epochs, at_end = figure.subplots(1, 2, sharey=True)
    for place, (name, results) in enumerate(drawn.items()):
        color = f"C{place % 10}"
        accuracies = [[row["test_accuracy"] for row in result.epochs] for result in results]
        columns = list(zip(*accuracies, strict=True))
        epochs = [row["epoch"] for row in results[0].epochs]
        lows, highs = [min(column) for column in columns], [max(column) for column in columns]
        means = [sum(column) / len(column) for column in columns]
        dot = "o" if len(epochs) == 1 else ""
        over_epochs.plot(epochs, means, color=color, marker=dot, label=name)
        over_epochs.fill_between(epochs, lows, highs, color=color, alpha=0.2, linewidth=0)
        at_end.plot([place] * len(results), [last[-1] for last in accuracies], "o", color=color, alpha=0.5)
        at_end.plot([place - 0.3, place + 0.3], [means[-1]] * 2, color=color, linewidth=2)
    over_epochs.set(xlabel="epoch", ylabel="test accuracy")
    over_epochs.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True))
    over_epochs.legend(loc="best", framealpha=0.9)
    at_end.set_xticks(range(len(drawn)), list(drawn), rotation=20, ha="right")
    for axes in (over_epochs, at_end):
        axes.grid(color="0.85", linewidth=0.7)
        axes.set_axisbelow(True)
    _save(figure, path)
    return figure


def _save(figure: Figure, path: str | os.PathLike[str] | None) -> None:
    if path is not None:
        picture = io.BytesIO()
        figure.savefig(picture, format=Path(path).suffix[1:] or "png")
        write_atomically(path, picture.getvalue())
