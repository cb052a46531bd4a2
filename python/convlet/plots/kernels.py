"""What the first convolution of a net looks for."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from .._arrays import Array, integer
from ..nn import Conv2d, Layer
from .canvas import SMALL, blank, grid, mosaic, saved

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .picture import Picture

__all__ = ["kernels"]

_LONGEST_ROW = 8
_TILE_INCHES = 0.75
_LARGEST_INCHES = 7.0
_MOST_TICKS = 24


def kernels(net: Layer, layer: int = 0, path: str | os.PathLike[str] | None = None) -> Picture:
    """Draw the kernels of a convolution: blue takes away, red adds, white leaves alone.

    Kernels of one channel stand side by side, in rows of at most 8. Where there are several channels, each
    kernel is a column and each channel a row. All have one scale, that of the largest weight.

    Args:
        net: a net, or a convolution by itself.
        layer: which of the net's convolutions, counted from 0.
        path: where to save the picture; its ending says the format.

    Returns:
        The matplotlib figure.

    Raises:
        ImportError: matplotlib is not installed.
        OSError: the picture cannot be written.
        TypeError: what is neither a net nor a layer.
        ValueError: a net without that convolution, or weights that are not finite.
    """
    if not isinstance(net, Layer):
        raise TypeError(f"kernels: expected a net or a layer of convlet.nn, got {type(net).__name__}")
    found = [(name, op) for name, op in net.ops().items() if isinstance(op, Conv2d)]
    number = integer("kernels", "layer", layer, low=0)
    if number >= len(found):
        raise ValueError(
            f"kernels: expected a net with convolution {number}, got one with {len(found)} of them"
        )
    name, convolution = found[number]
    weight = convolution.weight
    if not np.isfinite(weight).all():
        raise ValueError("kernels: expected finite weights, got NaN or infinity among them")
    outputs, channels = weight.shape[:2]
    columns = outputs if channels > 1 else grid(outputs, _LONGEST_ROW)[1]
    rows = channels if channels > 1 else -(-outputs // columns)
    inches = min(_TILE_INCHES, _LARGEST_INCHES / max(rows, columns))
    picture = blank("kernels", max(2.4, columns * inches) + 1.2, max(0.5, rows * inches) + 0.75)
    axes = picture.add_subplot()
    _draw(axes, weight, columns)
    if channels > 1:
        axes.set_ylabel("input channel", fontsize=SMALL)
    axes.set_title(f"{name} {type(convolution).__name__}".strip(), fontsize=SMALL + 1)
    return saved(picture, path)


def _draw(axes: Axes, weight: Array, columns: int) -> None:
    channels, height, width = weight.shape[1:]
    tiles = weight.transpose(1, 0, 2, 3).reshape(-1, height, width)
    gap = max(1, round(min(height, width) / 5))
    largest = float(np.abs(weight).max()) or 1.0
    shown = axes.imshow(
        mosaic(tiles, columns, gap), cmap="RdBu_r", vmin=-largest, vmax=largest, interpolation="nearest"
    )
    rows = -(-len(tiles) // columns)
    across, down = np.arange(columns), np.arange(rows)
    names = down if channels > 1 else down * columns
    every = max(1, columns // _MOST_TICKS), max(1, rows // _MOST_TICKS)
    axes.set_xticks((across * (width + gap) + (width - 1) / 2)[:: every[0]], across[:: every[0]].tolist())
    axes.set_yticks((down * (height + gap) + (height - 1) / 2)[:: every[1]], names[:: every[1]].tolist())
    if rows == 1:
        axes.set_yticks([])
    axes.set_xlabel("kernel" if channels > 1 or rows == 1 else "kernel: row + column", fontsize=SMALL)
    axes.tick_params(length=0, labelsize=SMALL)
    for spine in axes.spines.values():
        spine.set_visible(False)
    bar = axes.figure.colorbar(shown, ax=axes, aspect=6 * max(1.0, min(rows, 4) / 1.5), pad=0.03)
    bar.set_label("weight", fontsize=SMALL)
    bar.ax.tick_params(labelsize=SMALL)
    bar.outline.set_visible(False)
