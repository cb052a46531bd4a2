"""What a data set looks like."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .._arrays import integer
from .canvas import SMALL, bare, blank, grid, saved
from .images import Data, gallery, show

if TYPE_CHECKING:
    from .picture import Picture

__all__ = ["samples", "tiles"]

_TILE_INCHES = 0.85
_LINE_INCHES = 0.17


def samples(
    data: Data,
    count: int = 24,
    columns: int = 8,
    classes: Sequence[str] | None = None,
    path: str | os.PathLike[str] | None = None,
) -> Picture:
    """Draw the first images of a data set with the names of their classes.

    Args:
        data: a data set, or ``(images, labels)``: images (N, H, W) or (N, C, H, W), grey or of 3 channels.
        count: how many images; fewer where there are fewer.
        columns: the most that stand in a row.
        classes: a name for each label; those of the data set, or the numbers, by default.
        path: where to save the picture; its ending says the format.

    Returns:
        The matplotlib figure.

    Raises:
        ImportError: matplotlib is not installed.
        OSError: the picture cannot be written.
        TypeError: neither a data set nor a pair, or images or labels of another type.
        ValueError: images that are no pictures, or labels that do not fit them.
    """
    op = "samples"
    found = gallery(op, data, classes, integer(op, "count", count))
    titles = [found.classes[label] for label in found.labels]
    return saved(tiles(op, found.pictures, titles, integer(op, "columns", columns)), path)


def tiles(op: str, pictures: NDArray[np.float32], titles: Sequence[str], columns: int) -> Picture:
    """Pictures (N, H, W, channels) in rows, each below its title."""
    rows, columns = grid(len(pictures), columns)
    lines = 1 + max(title.count("\n") for title in titles)
    longest = max(len(line) for title in titles for line in title.split("\n"))
    width = max(_TILE_INCHES + 0.1, 0.07 * longest)
    tall = min(3.0, pictures.shape[1] / pictures.shape[2]) * _TILE_INCHES
    height = rows * (tall + lines * _LINE_INCHES) + 0.1
    picture = blank(op, columns * width + 0.1, height, layout="constrained")
    for n, (pixels, title) in enumerate(zip(pictures, titles, strict=True)):
        axes = picture.add_subplot(rows, columns, n + 1)
        show(axes, pixels)
        axes.set_title(title, fontsize=SMALL - 0.5, pad=2.5)
        bare(axes)
    return picture
