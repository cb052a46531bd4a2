"""A user's own images and labels as one file, that every process of a sweep can load."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .._arrays import Images, Labels, as_images, as_integers
from .._files import load_weights, save_weights
from ..distributed.team import digest

__all__ = ["Arrays", "is_stored", "read", "store"]

_BEGINNING, _END = "arrays-", ".safetensors"
_PARTS = ("train", "test")


@dataclass
class Arrays:
    """Images with labels, and as many classes as the labels name."""

    images: Images
    labels: Labels
    classes: range

    def __getitem__(self, part: slice) -> Arrays:
        return Arrays(self.images[part], self.labels[part], self.classes)


def is_stored(name: str) -> bool:
    """Whether :func:`store` has made that name."""
    return name.startswith(_BEGINNING) and name.endswith(_END)


def store(data: object, folder: Path) -> str:
    """Write ``(train, test)``, each a data set or ``(images, labels)``, and return the file's name.

    The name tells the content, so other data have another one.

    Raises:
        OSError: the file cannot be written.
        TypeError: another kind of data.
        ValueError: not a label for each image, or none at all.
    """
    if not isinstance(data, tuple) or len(data) != 2:
        raise TypeError(
            f"sweep: expected data by its name, a folder, or (train, test), got {type(data).__name__}"
        )
    tensors: dict[str, Any] = {}
    for name, part in zip(_PARTS, data, strict=True):
        images, labels = part if isinstance(part, tuple) and len(part) == 2 else _members(name, part)
        tensors[f"{name}.images"] = as_images("sweep", f"images to {name}", images)
        tensors[f"{name}.labels"] = as_integers("sweep", f"labels to {name}", labels)
        shapes = tensors[f"{name}.images"].shape[:1], tensors[f"{name}.labels"].shape
        if shapes[0] != shapes[1] or shapes[0] == (0,):
            raise ValueError(f"sweep: expected {shapes[0]} labels to {name}, one an image, got {shapes[1]}")
    file = f"{_BEGINNING}{digest(*tensors.values())}{_END}"
    if not (folder / file).exists():
        save_weights(folder / file, tensors)
    return file


def read(folder: str | os.PathLike[str], name: str) -> tuple[Arrays, Arrays]:
    """What :func:`store` wrote there (``OSError``, ``ValueError``)."""
    tensors, _ = load_weights(Path(folder) / name)
    classes = range(1 + max(int(tensors[f"{part}.labels"].max()) for part in _PARTS))
    train, test = (Arrays(tensors[f"{part}.images"], tensors[f"{part}.labels"], classes) for part in _PARTS)
    return train, test


def _members(name: str, part: object) -> tuple[Any, Any]:
    images, labels = getattr(part, "images", None), getattr(part, "labels", None)
    if images is None or labels is None:
        raise TypeError(
            f"sweep: expected data to {name} to be a data set or (images, labels), got {type(part).__name__}"
        )
    return images, labels
