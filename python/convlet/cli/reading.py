"""Picture files for the command line, as a net's training images looked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from .. import pictures
from ..checkpoint import SavedNet
from ..datasets import DIGITS, read_image
from .data import is_light

__all__ = ["PREPARATIONS", "check_net", "images", "invert", "preparation", "prepared", "read", "readable"]

Pixels = NDArray[np.uint8]

PREPARATIONS = ("digit", "resize", "crop", "none")
"""What is done to a picture; see :func:`prepared`."""

images = click.argument(
    "images", metavar="IMAGE...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
"""The argument ``IMAGE...``; a file that is missing or bad is told when its turn comes."""

invert = click.option(
    "--invert/--no-invert",
    default=None,
    help="Swap dark and light; without either, where a picture's border is unlike those trained on.",
)
"""``--invert``."""


def check_net(weights: Path, saved: SavedNet) -> None:
    """Refuse (ValueError) a net for anything but gray or colour pictures."""
    if len(saved.input_shape) != 3 or saved.input_shape[0] not in (1, 3):
        raise ValueError(f"{weights}: expected a net for gray or colour pictures, got {saved.input_shape}")


def preparation(saved: SavedNet) -> str:
    """What suits a net: ``digit`` if it was trained on a data set of digits, else ``resize``."""
    by_data = "digit" if saved.notes.get("data") in DIGITS else "resize"
    found = saved.notes.get("prepare", by_data)
    return found if found in PREPARATIONS else by_data


def prepared(path: Path, saved: SavedNet, how: str, swap: bool | None) -> Pixels:
    """One picture (C, H, W) as the net takes it.

    Args:
        path: the picture.
        saved: the net.
        how: ``digit`` for what :func:`convlet.pictures.prepare` does, ``resize`` to stretch the picture to
            the net's size, ``crop`` to cut its middle out first, so that its proportions stay, ``none`` for
            a picture that has the size.
        swap: whether dark and light change places; ``None`` where the border says so.

    Raises:
        OSError: the file cannot be opened.
        ValueError: it is no picture, or does not suit the net; the message names it.
    """
    channels, height, width = saved.input_shape
    if how == "digit":
        if channels != 1 or height != width:
            raise ValueError(f"{path}: expected a net for square gray pictures, got {saved.input_shape}")
        figure = {None: "either", True: "dark", False: "light"}[swap]
        image = pictures.prepare(path, height, figure)
        return 255 - image if saved.notes.get("background") == "light" else image
    if how == "resize":
        return read(path, saved, swap, (height, width))
    image = read(path, saved, swap if how == "crop" else bool(swap))
    if how == "crop":
        return pictures.crop(image, (height, width))
    if image.shape[1:] != (height, width):
        raise ValueError(f"{path}: expected {height}x{width} pixels, got {image.shape[1]}x{image.shape[2]}")
    return image


def read(path: Path, saved: SavedNet, swap: bool | None, size: tuple[int, int] | None = None) -> Pixels:
    """A whole picture (C, H, W) in the net's colours, dark and light as it was trained on."""
    image = read_image(path, size, "L" if saved.input_shape[0] == 1 else "RGB")
    wanted = saved.notes.get("background", "mixed")
    if swap is None:
        swap = wanted in ("dark", "light") and is_light(image) != (wanted == "light")
    return 255 - image if swap else image


def readable(
    paths: Iterable[Path], saved: SavedNet, how: str, swap: bool | None
) -> Iterator[tuple[Path, Pixels | Exception]]:
    """Every picture, or the reason why there is none."""
    for path in paths:
        try:
            yield path, prepared(path, saved, how, swap)
        except (OSError, ValueError) as error:
            yield path, error
