"""The border of the pictures: images and labels as they can be drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .._arrays import Labels, Numbers, as_images, as_integers, words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Data", "Gallery", "as_pictures", "class_names", "gallery", "show"]


class LabelledImages(Protocol):
    """A data set: anything with images and a label for each."""

    images: Any
    labels: Any


Data: TypeAlias = LabelledImages | tuple[Numbers, Numbers]
"""A data set, or ``(images, labels)``."""


class Gallery(NamedTuple):
    """Images (N, C, H, W) as they were given and as they are drawn, with labels (N,) and names of classes."""

    images: NDArray[Any]
    pictures: NDArray[np.float32]
    labels: Labels
    classes: tuple[str, ...]


def gallery(op: str, data: Data, classes: Sequence[str] | None, most: int | None = None) -> Gallery:
    """Check a data set or a pair, of which at most the first ``most`` images are looked at.

    Raises:
        TypeError: neither a data set nor a pair, or images or labels of another type.
        ValueError: images that are no pictures, or another number of labels.
    """
    images, labels = getattr(data, "images", None), getattr(data, "labels", None)
    if isinstance(data, tuple) and len(data) == 2:
        images, labels = data
    if images is None or labels is None:
        raise TypeError(f"{op}: expected a data set or (images, labels), got {type(data).__name__}")
    numbers = as_integers(op, "labels", labels)
    if numbers.shape != np.shape(images)[:1]:
        raise ValueError(
            f"{op}: expected labels of shape {np.shape(images)[:1]}, one an image, got {numbers.shape}"
        )
    given = as_images(op, "images", images[:most])
    names = classes if classes is not None else getattr(data, "classes", None)
    return Gallery(given, as_pictures(op, given), numbers[:most], class_names(op, numbers, names))


def as_pictures(op: str, images: NDArray[Any]) -> NDArray[np.float32]:
    """Images (N, H, W) or (N, C, H, W) of 1 or 3 channels, as (N, H, W, channels) from 0 to 1.

    uint8 is 0 to 255; other numbers are taken as they are if all lie in 0 to 1, else from the smallest to the
    largest.
    """
    pictures = images[:, None] if images.ndim == 3 else images
    if pictures.ndim != 4 or pictures.shape[1] not in (1, 3) or 0 in pictures.shape:
        raise ValueError(
            f"{op}: expected images (N, H, W) or (N, C, H, W), grey or of 3 channels, got {images.shape}"
        )
    values: NDArray[np.float32] = np.moveaxis(pictures, 1, -1).astype(np.float32)
    if images.dtype == np.uint8:
        values /= np.float32(255)
        return values
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    if low < 0 or high > 1:
        values -= np.float32(low)
        values /= np.float32((high - low) or 1)
    return values


def class_names(op: str, labels: Labels, classes: Sequence[str] | None) -> tuple[str, ...]:
    """A name for each label that occurs: the given ones, or the numbers themselves."""
    largest = int(labels.max(initial=-1))
    if labels.size and labels.min() < 0:
        raise ValueError(f"{op}: expected labels from 0, got {labels.min()}")
    names = tuple(map(str, range(largest + 1))) if classes is None else words(op, "classes", classes)
    if largest >= len(names):
        raise ValueError(f"{op}: expected a name for each class up to {largest}, got {len(names)} names")
    return names


def show(axes: Axes, picture: NDArray[np.float32]) -> None:
    """Draw one picture (H, W, channels), every pixel a square."""
    grey = picture.shape[-1] == 1
    axes.imshow(picture[..., 0] if grey else picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
