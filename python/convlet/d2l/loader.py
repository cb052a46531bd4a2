"""Batches of a data set, one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from .._arrays import Array, Images, Labels, as_images, as_integers, flag, integer
from ..datasets import Dataset

__all__ = ["Batches", "DataLoader", "arrays_of"]

Batches = Iterable[tuple[Array, Labels]]
"""Pairs of images (N, C, H, W) and labels (N,): a :class:`DataLoader`, or anything like it."""


class DataLoader:
    """The images of a data set in batches: float32 (N, C, H, W) from 0 to 1, with labels (N,).

    Each loop over it begins anew; ``len`` is the number of batches, of which the last may be smaller.

    Args:
        dataset: what to draw from.
        batch_size: images a batch.
        shuffle: whether each loop has another random order.

    Raises:
        TypeError: what is no data set, or an argument of another type.
        ValueError: a batch of less than one image.
    """

    def __init__(self, dataset: Dataset, batch_size: int = 1, shuffle: bool = False) -> None:
        if not isinstance(dataset, Dataset):
            raise TypeError(
                f"DataLoader: expected a data set of convlet.datasets, got {type(dataset).__name__}"
            )
        self.dataset = dataset
        self.batch_size = integer("DataLoader", "batch_size", batch_size)
        self.shuffle = flag("DataLoader", "shuffle", shuffle)

    def __len__(self) -> int:
        return -(-len(self.dataset) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Array, Labels]]:
        count = len(self.dataset)
        order: NDArray[np.int64] = (
            np.random.default_rng().permutation(count) if self.shuffle else np.arange(count)
        )
        for start in range(0, count, self.batch_size):
            chosen = order[start : start + self.batch_size]
            images = self.dataset.images[chosen].astype(np.float32)
            images /= np.float32(255)
            yield images, self.dataset.labels[chosen]


def arrays_of(op: str, batches: Batches) -> tuple[Images, Labels, int]:
    """All images and labels at once, and how many make a batch, as the engine wants them.

    The pixels of a :class:`DataLoader` stay where they are, 0 to 255; batches of another source are joined.

    Raises:
        TypeError: what holds no pairs of images and labels.
        ValueError: no batches at all.
    """
    if isinstance(batches, DataLoader):
        return batches.dataset.images, batches.dataset.labels, batches.batch_size
    try:
        pairs = [(images, labels) for images, labels in batches]
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"{op}: expected batches of (images, labels), as load_data_fashion_mnist gives, "
            f"got {type(batches).__name__}: {error}"
        ) from error
    if not pairs:
        raise ValueError(f"{op}: expected at least one batch, got none")
    images = np.concatenate([as_images(op, "images", images) for images, _ in pairs])
    labels = np.concatenate([as_integers(op, "labels", labels) for _, labels in pairs])
    return images, labels, len(pairs[0][1])
