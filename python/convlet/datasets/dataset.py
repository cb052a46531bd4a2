"""What a data set is: images, labels and the names of the classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import SupportsIndex, overload

import numpy as np
import numpy.typing as npt

from .._arrays import Labels, as_array, as_integers, check_labels, flag, integer, words

__all__ = ["Dataset"]

Pixels = npt.NDArray[np.uint8]


class Dataset:
    """Images with labels, held in memory.

    ``len(dataset)`` counts the images, ``dataset[7]`` is ``(image, label)``, ``dataset[:100]`` is a data set
    that shares its images with this one, and a loop goes over ``(image, label)``.

    Args:
        images: ``uint8`` of shape ``(N, C, H, W)``, 0 to 255. Kept as they are if C-contiguous, else copied.
        labels: integers of shape ``(N,)``, each an index into ``classes``; kept as ``int64``.
        classes: a name for each label; by default the numbers from 0 to the largest label.
        name: what is written on the set in messages and files.
        train: whether the images are there to train on, or to test with.

    Raises:
        TypeError: images that are not ``uint8``, labels that are no integers, names that are no strings.
        ValueError: arrays of another rank, of different length, a label without a class, a class named twice.
    """

    images: Pixels
    labels: Labels
    classes: tuple[str, ...]
    name: str
    train: bool

    def __init__(
        self,
        images: Pixels,
        labels: npt.ArrayLike,
        classes: Sequence[str] | None = None,
        name: str = "images",
        train: bool = True,
    ) -> None:
        pixels = as_array("Dataset", "images", images)
        if pixels.dtype != np.uint8:
            raise TypeError(f"Dataset: expected images of dtype uint8, got dtype {pixels.dtype}")
        if pixels.ndim != 4:
            raise ValueError(f"Dataset: expected images of shape (N, C, H, W), got {pixels.shape}")
        numbers = as_integers("Dataset", "labels", labels)
        if numbers.ndim != 1:
            raise ValueError(f"Dataset: expected labels of shape (N,), got {numbers.shape}")
        if len(numbers) != len(pixels):
            raise ValueError(
                f"Dataset: expected a label for each of {len(pixels)} images, got {len(numbers)} labels"
            )
        if classes is None:
            largest = int(numbers.max(initial=-1))
            if largest >= max(len(numbers), 1000):  # a name for each would cost memory without bound
                raise ValueError(f"Dataset: expected classes to name labels up to {largest}, got None")
            classes = tuple(map(str, range(largest + 1)))
        self.classes = _names(classes)
        # A negative label is never to be ignored here, so the one to ignore is a class that there is.
        check_labels("Dataset", numbers, len(self.classes), ignore_index=0)
        self.images = np.ascontiguousarray(pixels)
        self.labels = numbers
        if not isinstance(name, str):
            raise TypeError(f"Dataset: expected name to be a string, got {type(name).__name__}")
        self.name = name
        self.train = flag("Dataset", "train", train)

    def subset(self, indices: npt.ArrayLike) -> Dataset:
        """A copy of the images at ``indices``, in that order, as a data set with the same classes.

        Args:
            indices: integers of shape ``(M,)``, where negative ones count from the end, or ``N`` booleans.

        Raises:
            TypeError: ``indices`` are neither integers nor booleans.
            ValueError: they are of another shape.
            IndexError: one of them is out of range.
        """
        chosen = as_array("subset", "indices", indices)
        if chosen.dtype != np.bool_:
            chosen = chosen.astype(np.int64) if chosen.size == 0 else as_integers("subset", "indices", chosen)
        if chosen.ndim != 1 or (chosen.dtype == np.bool_ and len(chosen) != len(self)):
            raise ValueError(
                f"subset: expected integers of shape (M,) or booleans of shape ({len(self)},), "
                f"got {chosen.dtype} of shape {chosen.shape}"
            )
        return self._part(self.images[chosen], self.labels[chosen])

    def _part(self, images: Pixels, labels: Labels) -> Dataset:
        return Dataset(images, labels, self.classes, self.name, self.train)

    def __len__(self) -> int:
        return len(self.images)

    @overload
    def __getitem__(self, index: SupportsIndex) -> tuple[Pixels, int]: ...
    @overload
    def __getitem__(self, index: slice) -> Dataset: ...
    def __getitem__(self, index: SupportsIndex | slice) -> tuple[Pixels, int] | Dataset:
        if isinstance(index, slice):
            return self._part(self.images[index], self.labels[index])
        try:
            place = integer("Dataset", "index", index, low=-len(self), high=len(self) - 1)
        except ValueError as error:  # a loop and Python's habits want this one
            raise IndexError(str(error)) from None
        return self.images[place], int(self.labels[place])

    def __iter__(self) -> Iterator[tuple[Pixels, int]]:
        return zip(self.images, self.labels.tolist(), strict=True)

    def __repr__(self) -> str:
        channels, height, width = self.images.shape[1:]
        part = "train" if self.train else "test"
        shape = f"{channels}x{height}x{width}"
        return f"<{self.name}, {part}: {len(self):,} images {shape}, {len(self.classes)} classes>"


def _names(classes: Sequence[str]) -> tuple[str, ...]:
    names = words("Dataset", "classes", classes)
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"Dataset: expected different names in classes, got {twice!r} twice")
    return names
