"""What all pictures have in common: where they begin and end, and their colours."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .._files import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .picture import Picture

__all__ = ["BLUE", "FAINT", "GREEN", "PINK", "RED", "SMALL", "bare", "blank", "grid", "mosaic", "saved"]

# Of Okabe and Ito, which the colour-blind can tell apart.
BLUE, PINK, GREEN, RED = "#0072B2", "#CC79A7", "#009E73", "#D55E00"
FAINT = "0.45"
SMALL = 8.0

_DOTS_PER_INCH = 160


def blank(op: str, width_inches: float, height_inches: float, layout: str | None = "compressed") -> Picture:
    """An empty picture; ``ImportError`` with a remedy where matplotlib is missing."""
    try:
        import matplotlib.figure  # noqa: F401  (found or not)
    except ImportError as error:
        raise ImportError(f'{op}: needs matplotlib; pip install "convlet[plots]"') from error
    from .picture import Picture

    options: dict[str, Any] = {"dpi": _DOTS_PER_INCH, "layout": layout, "facecolor": "white"}
    return Picture(figsize=(width_inches, height_inches), **options)


def saved(picture: Picture, path: str | os.PathLike[str] | None) -> Picture:
    """The picture, which also goes into a file if there is a path; its ending says the format.

    Raises:
        OSError: it cannot be written; a previous one is untouched.
        ValueError: matplotlib knows no such format.
    """
    if path is not None:
        file = io.BytesIO()
        picture.savefig(file, format=Path(path).suffix[1:] or "png")
        write_atomically(path, file.getvalue())
    return picture


def bare(axes: Axes) -> None:
    """Leave nothing of the axes but what is drawn on them."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def grid(count: int, widest: int) -> tuple[int, int]:
    """Rows and columns for so many tiles: at most ``widest`` columns, the last row as full as may be."""
    rows = -(-count // widest)
    return rows, -(-count // rows)


def mosaic(tiles: NDArray[np.float32], columns: int, gap: int) -> NDArray[np.float32]:
    """Tiles (N, H, W) in rows of ``columns``, as one picture with NaN, which shows as paper, between them."""
    count, height, width = tiles.shape
    rows = -(-count // columns)
    page = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap), np.nan, np.float32)
    for n, tile in enumerate(tiles):
        top, left = n // columns * (height + gap), n % columns * (width + gap)
        page[top : top + height, left : left + width] = tile
    return page
