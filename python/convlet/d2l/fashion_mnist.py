"""The chapter's data: Fashion-MNIST in batches, in the manner of both editions."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from .._arrays import Numbers, Pair, Size, as_integers, check_labels, flag, integer, pair
from ..datasets import Dataset
from ..datasets import FashionMNIST as Pictures
from .draw import show_images
from .loader import DataLoader
from .module import HyperParameters

__all__ = ["DataModule", "FashionMNIST", "get_fashion_mnist_labels", "load_data_fashion_mnist"]

# The book's words, which are not quite those of the data set.
_TEXT = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")


def load_data_fashion_mnist(
    batch_size: int, resize: Size | None = None, *, root: str | os.PathLike[str] | None = None
) -> tuple[DataLoader, DataLoader]:
    """Fashion-MNIST in batches, to train on in random order and to test with; downloaded if need be.

    Args:
        batch_size: images a batch.
        resize: what the images are scaled to, a side or (height, width); all are then held in memory.
        root: a folder to look in first; see :class:`convlet.datasets.FashionMNIST`.

    Returns:
        ``(train_iter, test_iter)``.

    Raises:
        ConnectionError: the data is nowhere to be found.
        TypeError: a size that is no integer.
        ValueError: a size below 1, or a corrupt file.
    """
    size = None if resize is None else pair("load_data_fashion_mnist", "resize", resize)
    batch_size = integer("load_data_fashion_mnist", "batch_size", batch_size)
    train, test = (_resized(Pictures(root, train=train), size) for train in (True, False))
    return DataLoader(train, batch_size, shuffle=True), DataLoader(test, batch_size)


def get_fashion_mnist_labels(labels: Numbers) -> list[str]:
    """The words for class indices: ``[9, 0]`` is ``["ankle boot", "t-shirt"]``."""
    numbers = as_integers("get_fashion_mnist_labels", "labels", labels)
    check_labels("get_fashion_mnist_labels", numbers, len(_TEXT), ignore_index=0)
    return [_TEXT[number] for number in numbers.reshape(-1)]


class DataModule(HyperParameters):
    """What a model is trained on: a class with ``get_dataloader(train)``.

    Args:
        root: a folder to look for data in first.
        num_workers: there for the book's sake; nothing depends on it.
    """

    def __init__(self, root: str | os.PathLike[str] | None = None, num_workers: int = 4) -> None:
        self.save_hyperparameters()

    def get_dataloader(self, train: bool) -> Any:
        """The batches to train on, or to test with; every data module has its own."""
        raise TypeError(f"{type(self).__name__}: expected a data module with get_dataloader, got none")

    def train_dataloader(self) -> Any:
        """The batches to train on."""
        return self.get_dataloader(train=True)

    def val_dataloader(self) -> Any:
        """The batches to test with."""
        return self.get_dataloader(train=False)


class FashionMNIST(DataModule):
    """Fashion-MNIST as the newer edition loads it; downloaded if need be.

    Args:
        batch_size: images a batch.
        resize: what the images are scaled to, a side or (height, width).
        root: a folder to look in first; see :class:`convlet.datasets.FashionMNIST`.

    Attributes:
        train: the data set to train on.
        val: the data set to test with.

    Raises:
        ConnectionError: the data is nowhere to be found.
        TypeError: a size that is no integer.
        ValueError: a size below 1, or a corrupt file.
    """

    train: Dataset
    val: Dataset
    batch_size: int

    def __init__(
        self, batch_size: int = 64, resize: Size = (28, 28), root: str | os.PathLike[str] | None = None
    ) -> None:
        super().__init__(root)
        self.save_hyperparameters()
        size = pair("FashionMNIST", "resize", resize)
        self.train, self.val = (_resized(Pictures(root, train=train), size) for train in (True, False))

    def text_labels(self, indices: Iterable[int]) -> list[str]:
        """The words for class indices."""
        return get_fashion_mnist_labels(np.fromiter(indices, np.int64))

    def get_dataloader(self, train: bool) -> DataLoader:
        """The batches to train on, in random order, or to test with."""
        train = flag("get_dataloader", "train", train)
        return DataLoader(self.train if train else self.val, self.batch_size, shuffle=train)

    def visualize(
        self, batch: tuple[Numbers, Numbers], nrows: int = 1, ncols: int = 8, labels: Sequence[str] = ()
    ) -> None:
        """Draw the first images of a batch below their words, or below ``labels``."""
        images, numbers = batch
        titles = list(labels) or get_fashion_mnist_labels(numbers)
        show_images(np.asarray(images)[:, 0], nrows, ncols, titles=titles)


def _resized(dataset: Dataset, size: Pair | None) -> Dataset:
    """The images of a data set in another size, (height, width), by Pillow's bilinear filter."""
    if size is None or size == dataset.images.shape[2:]:
        return dataset
    from PIL import Image

    pixels = np.empty((*dataset.images.shape[:2], *size), np.uint8)
    for image, small in zip(pixels[:, 0], dataset.images[:, 0], strict=True):
        image[...] = Image.fromarray(small).resize(size[::-1], Image.Resampling.BILINEAR)
    return Dataset(pixels, dataset.labels, dataset.classes, dataset.name, dataset.train)
