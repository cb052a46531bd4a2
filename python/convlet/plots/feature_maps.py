"""One image on its way through a net."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import reference
from .._arrays import Array, Numbers, as_images, integer
from ..nn import Sequential
from .canvas import FAINT, SMALL, bare, blank, mosaic, saved

if TYPE_CHECKING:
    from .picture import Picture

__all__ = ["feature_maps"]

# Inches. The names stand to the left of the maps, the range of the numbers below them.
_LEFT, _WIDTH, _RIGHT = 1.25, 5.0, 0.1
_TALLEST, _STRIP, _SPACE, _MARGIN = 0.7, 0.16, 0.24, 0.08
_IMAGE = "image"  # the name of the first line


class Stage(NamedTuple):
    """One line of the picture: what came out of a layer, and how it is drawn."""

    name: str
    shape: tuple[int, ...]
    page: NDArray[np.float32]
    height_inches: float
    note: str


def feature_maps(
    net: Sequential, image: Numbers, most: int = 16, path: str | os.PathLike[str] | None = None
) -> Picture:
    """Draw what every layer of a net makes of one image, from top to bottom.

    Each line has a scale of its own, dark for its smallest and light for its largest number, which stand
    below it. Outputs without rows and columns are a strip with a bar for each number.

    Args:
        net: the net.
        image: (C, H, W), or (H, W) for one channel; uint8, scaled by 1/255, or of a floating-point type.
        most: how many maps of a layer are drawn, the first ones.
        path: where to save the picture; its ending says the format.

    Returns:
        The matplotlib figure.

    Raises:
        ImportError: matplotlib is not installed.
        OSError: the picture cannot be written.
        TypeError: what is no net, or an image of another type.
        ValueError: an image that the net does not take.
    """
    if not isinstance(net, Sequential):
        raise TypeError(f"feature_maps: expected a net, got {type(net).__name__}")
    pixels = as_images("feature_maps", "image", image)
    if pixels.ndim not in (2, 3):
        raise ValueError(f"feature_maps: expected an image (C, H, W) or (H, W), got {pixels.shape}")
    most = integer("feature_maps", "most", most)
    found = reference.activations(net, pixels[None] if pixels.ndim == 3 else pixels[None, None])
    names = [_IMAGE, *(f"{name} {type(op).__name__}" for name, op in net.ops().items())]
    stages = [_stage(name, values[0], most) for name, values in zip(names, found, strict=True)]
    width = _LEFT + _WIDTH + _RIGHT
    height = 2 * _MARGIN + sum(stage.height_inches + _SPACE for stage in stages)
    picture = blank("feature_maps", width, height, layout=None)
    for stage, bottom in zip(stages, _bottoms(stages, height), strict=True):
        across = min(_WIDTH, stage.height_inches * stage.page.shape[1] / stage.page.shape[0])
        if stage.page.shape[0] == 1:
            across = _WIDTH
        place = (_LEFT / width, bottom / height, across / width, stage.height_inches / height)
        axes = picture.add_axes(place)
        gray = stage is stages[0] and len(stage.shape) == 3
        axes.imshow(stage.page, cmap="gray" if gray else "cividis", interpolation="nearest", aspect="auto")
        bare(axes)
        middle = bottom + stage.height_inches / 2
        shape = " × ".join(map(str, stage.shape))  # noqa: RUF001
        picture.text(0.1 / width, (middle + 0.01) / height, stage.name, fontsize=SMALL + 0.5, va="bottom")
        picture.text(0.1 / width, (middle - 0.02) / height, shape, fontsize=SMALL - 1, va="top", color=FAINT)
        below = (bottom - 0.03) / height
        picture.text(_LEFT / width, below, stage.note, fontsize=SMALL - 1.5, va="top", color=FAINT)
    return saved(picture, path)


def _stage(name: str, values: Array, most: int) -> Stage:
    note = _range(float(values.min()), float(values.max()))
    if values.ndim != 3 or values.shape[1:] == (1, 1):
        return Stage(name, values.shape, values.reshape(1, -1), _STRIP, note)
    rows, columns = values.shape[1:]
    if name == _IMAGE and len(values) == 3 and values.min() >= 0 and values.max() <= 1:
        return Stage(
            name, values.shape, values.transpose(1, 2, 0), min(_TALLEST, _WIDTH * rows / columns), note
        )
    maps = values[:most]
    if len(maps) < len(values):
        note = f"{len(maps)} of {len(values)} maps; {note}"
    page = mosaic(maps, len(maps), gap=max(1, round(columns / 12)))
    return Stage(name, values.shape, page, min(_TALLEST, _WIDTH * rows / page.shape[1]), note)


def _range(low: float, high: float) -> str:
    """Two ends as they are read, what is next to nothing as 0."""
    least = 1e-3 * (high - low)
    return " to ".join(f"{0 if abs(end) < least else end:.3g}" for end in (low, high)).replace(
        "-", "\N{MINUS SIGN}"
    )


def _bottoms(stages: list[Stage], height: float) -> Iterator[float]:
    """Where each line of maps ends, in inches from below."""
    place = height - _MARGIN
    for stage in stages:
        place -= stage.height_inches
        yield place
        place -= _SPACE
