"""Which classes a classifier takes for which."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from .._arrays import Numbers, as_integers
from .canvas import FAINT, SMALL, blank, saved
from .images import class_names

if TYPE_CHECKING:
    from .picture import Picture

__all__ = ["confusion_matrix"]

_MOST_NUMBERS = 20  # classes that leave room for a number in each field
_DARK = 0.55  # share from which a number is white


def confusion_matrix(
    labels: Numbers,
    predicted: Numbers,
    classes: Sequence[str] | None = None,
    path: str | os.PathLike[str] | None = None,
) -> Picture:
    """Draw how many images of each class were taken for which: a row for each true class.

    The colour is the share of the row, so that rare classes show as well as frequent ones; the numbers are
    images. ``confusion_matrix(test.labels, net.predict(test.images), test.classes)`` is that of a net.

    Args:
        labels: the true classes, (N,), integers from 0.
        predicted: what they were taken for, (N,).
        classes: their names; the numbers by default.
        path: where to save the picture; its ending says the format.

    Returns:
        The matplotlib figure.

    Raises:
        ImportError: matplotlib is not installed.
        OSError: the picture cannot be written.
        TypeError: labels that are no integers.
        ValueError: arrays of another shape, without images, or with a class that has no name.
    """
    op = "confusion_matrix"
    truth, answer = as_integers(op, "labels", labels), as_integers(op, "predicted", predicted)
    if truth.ndim != 1 or truth.shape != answer.shape or not len(truth):
        raise ValueError(
            f"{op}: expected labels and predicted of one shape (N,) with N of at least 1, "
            f"got {truth.shape} and {answer.shape}"
        )
    names = class_names(op, np.concatenate([truth, answer]), classes)
    count = len(names)
    table = np.bincount(truth * count + answer, minlength=count * count).reshape(count, count)
    share = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    side = 1.6 + 0.42 * min(count, 14)
    picture = blank(op, side + 0.4, side)
    axes = picture.add_subplot()
    shown = axes.imshow(share, cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
    places = range(count)
    size = SMALL if count <= _MOST_NUMBERS else max(2.5, SMALL * _MOST_NUMBERS / count)
    axes.set_xticks(places, names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(places, names)
    axes.tick_params(length=0, labelsize=size)
    axes.set_xlabel("taken for")
    axes.set_ylabel("true class")
    if count <= _MOST_NUMBERS:
        for row, column in np.argwhere(table):
            color = "white" if share[row, column] > _DARK else "black"
            text = f"{table[row, column]}"
            axes.text(column, row, text, ha="center", va="center", color=color, fontsize=SMALL - 1.5)
    for spine in axes.spines.values():
        spine.set_color(FAINT)
    bar = picture.colorbar(shown, ax=axes, shrink=0.7, aspect=18, pad=0.02)
    bar.set_label("share of the true class", fontsize=SMALL)
    bar.ax.tick_params(labelsize=SMALL)
    bar.outline.set_visible(False)
    return saved(picture, path)
