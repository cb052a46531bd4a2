"""Pictures of single digits, brought to the form of the data sets of digits.

The makers of MNIST scaled each digit to fit a box of 20x20 pixels without changing its shape, anti-aliased,
and placed it in a field of 28x28 so that its centre of mass is the middle, light on dark. :func:`prepare`
does the same to any picture that shows one figure on a background.

>>> net.predict(prepare("seven.jpg")[None])
array([7])
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, SupportsIndex, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ._arrays import Array, Numbers, as_array, choice, integer, pair
from .datasets import read_image

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

__all__ = ["FIGURES", "Source", "as_text", "crop", "figure_of", "prepare"]

Pixels: TypeAlias = NDArray[np.uint8]
Source: TypeAlias = "str | os.PathLike[str] | Picture | Numbers"

FIGURES = ("either", "dark", "light")
"""What counts as the figure, all that differs from the background or only what is darker or lighter."""

_BOX = 20 / 28  # of the field's side: what the figure is scaled to
_LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
_FAINTEST = 16.0  # levels between background and figure
_CLEAR = 4.0  # times the background's own deviation, that a figure must differ by
_FINER = 8  # times the box: where strokes are measured
_THINNEST = 0.13  # a stroke's width, relative to the figure's longer side
_ROUNDS = 3  # of fitting the background to those of the border's pixels that belong to it
_LARGEST = 1600  # pixels of a side that are looked at
_SPECKS_FROM = 64  # pixels: in smaller pictures a stroke may be one pixel wide
_SHADES = " ░▒▓█"


def prepare(image: Source, size: SupportsIndex = 28, figure: str = "either") -> Pixels:
    """A picture of one figure, as the makers of MNIST would have it.

    The figure is told from the background by :func:`figure_of`, cropped, scaled to fit 20/28 of ``size`` with
    its proportions kept, and placed with its centre of mass in the middle, light on dark. A gray picture that
    already has that size, a dark border and a figure that fills half of it comes back as it is.

    Args:
        image: a file that :func:`convlet.datasets.read_image` reads; a picture of Pillow's; or an array of
            uint8, (H, W), (1, H, W), (3, H, W) or (H, W, 3).
        size: rows and columns of the answer, at least 8.
        figure: ``"either"``, or ``"dark"`` or ``"light"`` where only what is darker or lighter than the
            background counts.

    Returns:
        (1, size, size), 0 (background) to 255.

    Raises:
        OSError: the file cannot be opened.
        TypeError: an argument of another type.
        ValueError: an array of another shape, a file that is no picture, or one without a figure; the message
            names the file.

    Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits".
    """
    op = "prepare"
    size = integer(op, "size", size, low=8, high=4096)
    choice(op, "figure", figure, FIGURES)
    pixels = _shrunk(_colours(op, image))
    if figure != "dark" and _is_prepared(pixels, size):
        return pixels[:1]
    try:
        return _place(_crop(figure_of(pixels, figure)), size)[np.newaxis]
    except ValueError as error:
        name = f"{os.fspath(image)}: " if isinstance(image, str | os.PathLike) else ""
        raise ValueError(f"{name}{error}") from None


def figure_of(pixels: Pixels, figure: str = "either") -> Array:
    """How much each pixel of a picture belongs to its figure.

    The background is a colour that may change evenly across the picture, fitted to its border. The figure is
    what differs from it along the line in the space of colours on which the picture differs most: so red on a
    green of the same luminance is as clear as black on white.

    Args:
        pixels: (3, H, W).
        figure: as :func:`prepare`.

    Returns:
        (H, W), 0 (background) to 1 (figure), float32.

    Raises:
        TypeError: an array of another type than uint8.
        ValueError: an array of another shape, an unknown figure, or nothing that differs from the background.
    """
    op = "figure_of"
    choice(op, "figure", figure, FIGURES)
    offsets, noise = _without_background(_checked(op, "pixels", pixels, channels=(3,)).astype(np.float32))
    axis = np.linalg.eigh(np.tensordot(offsets, offsets, ((1, 2), (1, 2))))[1][:, -1].astype(np.float32)
    along = np.tensordot(axis, offsets, 1)
    if figure == "either":
        lighter = float((along * along * along).sum()) >= 0  # few pixels far away outweigh many near by
    else:
        lighter = (float(axis @ _LUMINANCE) >= 0) == (figure == "light")
    along = np.maximum(along if lighter else -along, 0)
    threshold = _otsu(along)
    chosen = along[along > threshold]
    level = float(np.percentile(chosen, 75)) if chosen.size else 0.0
    if level < max(_FAINTEST, _CLEAR * noise):
        kind = "figure" if figure == "either" else f"{figure} figure"
        raise ValueError(f"expected a picture of a {kind} on a background, got a uniform one")
    floor = min(3 * noise, 0.5 * threshold)
    result: Array = np.clip((along - floor) / (level - floor), 0, 1).astype(np.float32)
    return result


def crop(image: Pixels, size: tuple[int, int]) -> Pixels:
    """The largest part in the middle of an image that has the proportions of ``size``, scaled to it.

    Args:
        image: (C, H, W), with C 1 or 3.
        size: rows and columns of the answer.

    Returns:
        ``(C, *size)``.

    Raises:
        TypeError: an array of another type than uint8, or a size that is no integer.
        ValueError: an array of another shape, or a size below 1.
    """
    from PIL import Image

    op = "crop"
    image, size = _checked(op, "image", image), pair(op, "size", size)
    height, width = image.shape[1:]
    scale = min(height / size[0], width / size[1])
    down, across = scale * size[0], scale * size[1]
    top, left = (height - down) / 2, (width - across) / 2
    box = left, top, left + across, top + down
    planes = [
        Image.fromarray(plane).resize(size[::-1], Image.Resampling.BILINEAR, box=box) for plane in image
    ]
    return np.stack([np.asarray(plane) for plane in planes])


def as_text(image: Pixels) -> str:
    """An image (C, H, W) as lines of block characters, two for each pixel, from a blank to a full block."""
    levels = _checked("as_text", "image", image).mean(axis=0).astype(int) * len(_SHADES) // 256
    return "\n".join("".join(2 * _SHADES[level] for level in row) for row in levels)


def _checked(op: str, name: str, image: Pixels, channels: tuple[int, ...] = (1, 3)) -> Pixels:
    """An image (C, H, W) of uint8."""
    pixels = as_array(op, name, image)
    if pixels.dtype != np.uint8:
        raise TypeError(f"{op}: expected {name} of dtype uint8, got dtype {pixels.dtype}")
    if pixels.ndim != 3 or pixels.shape[0] not in channels or pixels.size == 0:
        count = " or ".join(map(str, channels))
        raise ValueError(f"{op}: expected {name} of shape (C, H, W) with C {count}, got {pixels.shape}")
    return pixels


def _colours(op: str, image: Source) -> Pixels:
    """The picture as (3, H, W)."""
    if isinstance(image, str | os.PathLike):
        return read_image(image, mode="RGB")
    if hasattr(image, "convert"):  # Pillow's
        image = np.asarray(image.convert("RGB"))
    pixels = as_array(op, "image", image)
    if pixels.dtype != np.uint8:
        raise TypeError(f"{op}: expected an image of dtype uint8, got {pixels.dtype}")
    shape = pixels.shape
    if pixels.ndim == 2:
        pixels = pixels[np.newaxis]
    elif pixels.ndim == 3 and pixels.shape[0] not in (1, 3) and pixels.shape[2] == 3:
        pixels = pixels.transpose(2, 0, 1)
    if pixels.ndim != 3 or pixels.shape[0] not in (1, 3) or pixels.size == 0:
        raise ValueError(
            f"{op}: expected an image (H, W), (1, H, W), (3, H, W) or (H, W, 3), got shape {shape}"
        )
    return np.ascontiguousarray(np.broadcast_to(pixels, (3, *pixels.shape[1:])))


def _shrunk(pixels: Pixels) -> Pixels:
    """A very large picture made smaller, so that it takes neither much memory nor much time."""
    from PIL import Image

    height, width = pixels.shape[1:]
    factor = max(height, width) / _LARGEST
    if factor <= 1:
        return pixels
    size = max(1, round(width / factor)), max(1, round(height / factor))
    planes = [Image.fromarray(plane).resize(size, Image.Resampling.BOX) for plane in pixels]
    return np.stack([np.asarray(plane) for plane in planes])


def _is_prepared(pixels: Pixels, size: int) -> bool:
    """Whether it evidently is an image of such a data set: its size, gray, a dark border, a light figure."""
    gray = pixels[0]
    if gray.shape != (size, size) or (pixels != gray).any() or np.median(_rim(pixels)) >= 64:
        return False
    rows, columns = (np.flatnonzero((gray >= 128).any(axis=axis)) for axis in (1, 0))
    return bool(rows.size) and 2 * max(np.ptp(rows), np.ptp(columns)) + 2 >= size


def _rim(pixels: NDArray[Any]) -> NDArray[Any]:
    """The pixels of (C, H, W) along its border, (C, M)."""
    sides = pixels[:, 0], pixels[:, -1], pixels[:, 1:-1, 0], pixels[:, 1:-1, -1]
    return np.concatenate(sides, axis=1)


def _without_background(pixels: Array) -> tuple[Array, float]:
    """The picture minus its background, and the standard deviation of the border around that, in levels."""
    height, width = pixels.shape[1:]
    down = np.linspace(-1, 1, height, dtype=np.float32)[:, np.newaxis]
    across = np.linspace(-1, 1, width, dtype=np.float32)[np.newaxis]
    ramps = np.stack(np.broadcast_arrays(np.float32(1), down, across))
    seen, known = _rim(pixels), _rim(ramps)
    middle = np.median(seen, axis=1, keepdims=True)
    distance = np.abs(seen - middle).sum(axis=0)
    fit = np.zeros((3, 3), np.float32)
    fit[:, :1] = middle
    for _ in range(_ROUNDS):
        belongs = distance <= 3 * max(1.0, float(np.median(distance)))
        fit = np.linalg.lstsq(known[:, belongs].T, seen[:, belongs].T, rcond=None)[0].T.astype(np.float32)
        distance = np.abs(seen - fit @ known).sum(axis=0)
    belongs = distance <= 3 * max(1.0, float(np.median(distance)))
    noise = float(np.sqrt(np.mean((seen - fit @ known)[:, belongs] ** 2)))
    return pixels - np.tensordot(fit, ramps, 1), noise


def _otsu(values: Array) -> float:
    """The threshold that parts values into two groups which differ the most between, and least within.

    Source: N. Otsu, "A threshold selection method from gray-level histograms", 1979.
    """
    counts, edges = np.histogram(values, bins=256)
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)[:-1]
    sums = np.cumsum(counts * centres)
    above = counts.sum() - below
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = sums[:-1] / below - (sums[-1] - sums[:-1]) / above
    between = np.where((below > 0) & (above > 0), below * (above * np.nan_to_num(apart) ** 2), 0)
    return float(edges[1 + int(between.argmax())])


def _crop(figure: Array) -> Array:
    """The part of (H, W) that holds the figure."""
    from PIL import Image, ImageFilter

    solid = figure > 0.5
    if min(solid.shape) >= _SPECKS_FROM:
        cleaned = np.asarray(Image.fromarray(solid.astype(np.uint8)).filter(ImageFilter.MedianFilter(3))) > 0
        solid = cleaned if cleaned.any() else solid
    rows, columns = (np.flatnonzero(solid.any(axis=axis)) for axis in (1, 0))
    return figure[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _place(figure: Array, size: int) -> Pixels:
    """The figure in a field (size, size): scaled to its box, its centre of mass in the middle."""
    from PIL import Image

    box = max(1, round(_BOX * size))
    fine = _thickened(figure, _FINER * box)
    scale = box / max(fine.shape)
    height, width = (max(1, round(scale * side)) for side in fine.shape)
    small = np.asarray(Image.fromarray(fine).resize((width, height), Image.Resampling.BICUBIC)).clip(0, 1)
    mass = small.sum()
    row = np.arange(height) @ small.sum(axis=1) / mass
    column = np.arange(width) @ small.sum(axis=0) / mass
    top = int(np.clip(round((size - 1) / 2 - row), 0, size - height))
    left = int(np.clip(round((size - 1) / 2 - column), 0, size - width))
    field = np.zeros((size, size), np.uint8)
    field[top : top + height, left : left + width] = np.rint(255 * small).astype(np.uint8)
    return field


def _thickened(figure: Array, side: int) -> Array:
    """The figure with its longer side ``side``, and strokes that are not thinner than :data:`_THINNEST`.

    A stroke is as wide as the figure's area divided by half the length of its outline.
    """
    from PIL import Image, ImageFilter

    scale = side / max(figure.shape)
    height, width = (max(1, round(scale * length)) for length in figure.shape)
    fine = Image.fromarray(figure.astype(np.float32)).resize((width, height), Image.Resampling.BICUBIC)
    solid = np.pad(np.asarray(fine) > 0.5, 1)
    down, across = (np.diff(solid, axis=axis).sum() for axis in (0, 1))
    stroke = 2 * solid.sum() / max(1.0, np.pi / 4 * (down + across))
    missing = round((_THINNEST * side - stroke) / 2)
    if missing <= 0:
        return np.asarray(fine, np.float32)
    wider = Image.fromarray(np.pad(255 * np.asarray(fine).clip(0, 1), missing).astype(np.uint8))
    for _ in range(missing):
        wider = wider.filter(ImageFilter.MaxFilter(3))
    thick: Array = np.asarray(wider, np.float32) / np.float32(255)
    return thick
