"""The results of many trainings side by side."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from .canvas import blank, saved

if TYPE_CHECKING:
    from .picture import Picture

__all__ = ["sweep"]


class Result(Protocol):
    """What is drawn of one net."""

    @property
    def figures(self) -> object: ...
    @property
    def epochs(self) -> Sequence[Mapping[str, Any]]: ...


class Table(Protocol):
    """The nets by learning rate and batch size, as :class:`convlet.sweeps.Table` has them."""

    def members(self) -> Mapping[tuple[float, int], Sequence[Result]]: ...


def sweep(table: Table, path: str | os.PathLike[str] | None = None) -> Picture:
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
    members = {
        f"lr {lr:g}, batch {batch_size}": [result for result in results if result.figures]
        for (lr, batch_size), results in table.members().items()
    }
    drawn = {name: results for name, results in members.items() if results}
    if not drawn:
        raise ValueError("sweep: expected a table with a net that came to an end, got none")
    figure = blank("sweep", 9.0, 3.6, layout="constrained")
    from matplotlib.ticker import MaxNLocator

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
    return saved(figure, path)
