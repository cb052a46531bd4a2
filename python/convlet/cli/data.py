"""Data sets for the command line: which one, how much of it, and how its pictures look."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from .. import datasets

__all__ = ["background", "check_name", "data", "is_light", "load"]

_LOOKED_AT = 2000  # images, enough to tell how a set looks
_LIGHT = 128


def check_name(_: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """A click callback: the name of a data set, or a folder; bad usage is told before anything is loaded."""
    if value is None or value in datasets.NAMES:
        return value
    if Path(value).expanduser().is_dir():
        return str(Path(value).expanduser().resolve())  # a run goes on from any folder
    raise click.BadParameter(
        f"expected {', '.join(datasets.NAMES)} or a folder of pictures by class, got {value!r}",
        param=parameter,
    )


data = click.option(
    "--data",
    metavar=f"[{'|'.join(datasets.NAMES)}|FOLDER]",
    callback=check_name,
    help="A data set, or a folder of pictures with a folder for each class.",
)
"""``--data NAME``."""


def load(
    name: str, train: bool, data_dir: str | None, image: tuple[int, ...], size: int | None = None
) -> datasets.Dataset:
    """A data set.

    Args:
        name: of a published set, or a folder.
        train: images to train on, or to test with.
        data_dir: where to look first.
        image: (C, H, W) that pictures of a folder are brought to.
        size: how many images, from the beginning; of digits as many as that are drawn.
    """
    return datasets.load(name, train, data_dir, image[1:], "RGB" if image[0] == 3 else "L", size)


def background(images: NDArray[np.uint8]) -> str:
    """``dark`` or ``light``, if nine in ten of the images (N, C, H, W) have such a border, else ``mixed``."""
    light = np.mean([is_light(image) for image in images[:_LOOKED_AT]])
    return "light" if light > 0.9 else "dark" if light < 0.1 else "mixed"


def is_light(image: NDArray[np.uint8]) -> bool:
    """Whether the pixels around an image (C, H, W) are rather light than dark."""
    rim = [image[:, 0], image[:, -1], image[:, :, 0], image[:, :, -1]]
    return bool(np.median(np.concatenate(rim, axis=1)) >= _LIGHT)
