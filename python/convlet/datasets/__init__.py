"""Data sets: images with labels, found on disk, downloaded, drawn, or read from folders of pictures.

>>> train, test = FashionMNIST(train=True), FashionMNIST(train=False)
>>> train.images.shape, train.labels.shape, train.classes[0]
((60000, 1, 28, 28), (60000,), 'T-shirt/top')
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from .._arrays import Size, flag, integer
from .class_weights import class_weights
from .dataset import Dataset
from .digits import Digits
from .idx import read_idx, write_idx
from .image_folder import ImageFolder, has_parts, read_image
from .mnist import KMNIST, MNIST, FashionMNIST
from .split import stratified_split

__all__ = [
    "DIGITS",
    "KMNIST",
    "MNIST",
    "NAMES",
    "Dataset",
    "Digits",
    "FashionMNIST",
    "ImageFolder",
    "class_weights",
    "load",
    "read_idx",
    "read_image",
    "stratified_split",
    "write_idx",
]

_PUBLISHED = {kind.title: kind for kind in (FashionMNIST, MNIST, KMNIST)}
NAMES = ("digits", *_PUBLISHED)
"""The data sets that have a name."""
DIGITS = ("digits", MNIST.title, KMNIST.title)
"""Those that show one figure in the middle of each image, scaled and centred as the makers of MNIST did."""


def load(
    name: str | os.PathLike[str],
    train: bool = True,
    data_dir: str | os.PathLike[str] | None = None,
    size: Size | None = None,
    mode: str = "L",
    count: int | None = None,
) -> Dataset:
    """A data set by its name, or the pictures in a folder.

    A folder without the parts ``train/`` and ``test/`` is divided: of each class every fifth picture in the
    order of their names, from the second on, is there to test with, the others to train on.

    Args:
        name: one of :data:`NAMES`, or else a folder of pictures by class.
        train: images to train on, or to test with.
        data_dir: where to look first for the files of a published set; see :class:`MNIST`.
        size: what the pictures of a folder are stretched to; see :class:`ImageFolder`.
        mode: ``"L"`` or ``"RGB"``, for the pictures of a folder.
        count: how many images, from the beginning; of digits as many as that are drawn.

    Raises:
        TypeError: an argument of another type.
        ValueError: there is neither a data set nor a folder of that name, or no class of the folder has two
            pictures, so that none is left to test with.
        Exception: what the data set itself raises.
    """
    op = "load"
    train = flag(op, "train", train)
    count = None if count is None else integer(op, "count", count, low=0)
    if not isinstance(name, str | os.PathLike):
        raise TypeError(f"{op}: expected name of a data set or a folder, got {type(name).__name__}")
    if name == "digits":
        return Digits(train, count)
    found = _load(name, train, data_dir, size, mode)
    return found if count is None else found[:count]


def _load(
    name: str | os.PathLike[str],
    train: bool,
    data_dir: str | os.PathLike[str] | None,
    size: Size | None,
    mode: str,
) -> Dataset:
    if name in _PUBLISHED:
        return _PUBLISHED[name](data_dir, train)
    folder = Path(name).expanduser()
    if not folder.is_dir():
        raise ValueError(
            f"load: expected {', '.join(NAMES)} or a folder of pictures by class, got {str(name)!r}"
        )
    pictures = ImageFolder(folder, size, mode, train)
    if has_parts(folder):
        return pictures
    rank = np.arange(len(pictures)) - np.searchsorted(pictures.labels, pictures.labels)
    part = pictures.subset((rank % 5 == 1) != train)
    if len(part) == 0:
        raise ValueError(f"{folder}: expected a class with at least two pictures, one of them to test with")
    return part
