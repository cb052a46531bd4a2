"""Where a net is wrong, and sure of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from .._arrays import integer
from ..nn import Sequential
from .canvas import saved
from .images import Data, gallery
from .samples import tiles

if TYPE_CHECKING:
    from .picture import Picture

__all__ = ["mistakes"]


def mistakes(
    net: Sequential,
    data: Data,
    count: int = 15,
    columns: int = 5,
    classes: Sequence[str] | None = None,
    path: str | os.PathLike[str] | None = None,
) -> Picture:
    """Draw the wrongest predictions: the images whose true class the net holds for the least likely.

    Above each stands the true class, then what the net takes it for and with which probability. Only images
    that it gets wrong are drawn, the wrongest first, all of them where there are fewer than ``count``.

    Args:
        net: a classifier.
        data: a data set, or ``(images, labels)``, images as the net takes them, grey or of 3 channels.
        count: how many images.
        columns: the most that stand in a row.
        classes: a name for each label; those of the data set, or the numbers, by default.
        path: where to save the picture; its ending says the format.

    Returns:
        The matplotlib figure.

    Raises:
        ImportError: matplotlib is not installed.
        OSError: the picture cannot be written.
        TypeError: what is no net, neither a data set nor a pair, or images or labels of another type.
        ValueError: images that the net does not take, a label that the net has no output for, or a net that
            gets every image right.
    """
    op = "mistakes"
    if not isinstance(net, Sequential):
        raise TypeError(f"{op}: expected a net, got {type(net).__name__}")
    count, columns = integer(op, "count", count), integer(op, "columns", columns)
    found = gallery(op, data, classes)
    images = found.images[:, None] if found.images.ndim == 3 else found.images
    probability = net.predict_proba(images)
    outputs = probability.shape[1]
    if probability.ndim != 2 or found.labels.max() >= outputs:
        raise ValueError(
            f"{op}: expected a net with outputs (N, K), K above every label, "
            f"got outputs of shape {probability.shape} and labels up to {found.labels.max()}"
        )
    answer = probability.argmax(axis=1)
    wrong = np.flatnonzero(answer != found.labels)
    if not len(wrong):
        raise ValueError(f"{op}: expected a net that is wrong about an image, got all of {len(answer)} right")
    worst = wrong[np.argsort(probability[wrong, found.labels[wrong]], kind="stable")][:count]
    names = [found.classes[n] if n < len(found.classes) else str(n) for n in range(outputs)]
    titles = [
        f"{names[found.labels[n]]}\nas {names[answer[n]]} {probability[n, answer[n]]:.0%}" for n in worst
    ]
    return saved(tiles(op, found.pictures[worst], titles, columns), path)
