"""Random changes of the images that a net is trained on, which leave their classes as they are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, SupportsFloat, SupportsIndex

import numpy as np

from ._arrays import Array, flag, integer, real

__all__ = ["TURNS", "Augment"]

TURNS = 257
"""Angles that a rotation draws from."""


@dataclass(frozen=True)
class Augment:
    """What :meth:`Trainer.fit` does to every image of every step before the net sees it.

    In this order: mirrored left and right or not, turned about its middle, shifted, and a square erased, each
    drawn anew for every image. Shifting, mirroring and erasing move pixels as they are; turning takes the
    average of four pixels, weighted by their distances. What comes from outside the image is 0, and so is the
    square. The draws hang on the seed of ``fit``, the step and the image alone: they are the same on every
    device and for any number of threads, and a resumed run goes on with those that it would have made.

    Args:
        shift: pixels at most, up and down as left and right; every shift is equally likely.
        flip: whether half of the images are mirrored; for digits and letters it makes others of them.
        rotation: degrees at most, either way, 0 to 180; one of 257 evenly spaced angles.
        erase: side of the erased square, whose middle is any pixel; it may reach over the edge.

    Raises:
        TypeError: a number of another type.
        ValueError: a number out of range.

    Source: T. DeVries, G. Taylor, "Improved regularization of convolutional neural networks with cutout",
    arXiv:1708.04552, for the erased square.
    """

    shift: SupportsIndex = 0
    flip: bool = False
    rotation: SupportsFloat = 0.0
    erase: SupportsIndex = 0

    def __post_init__(self) -> None:
        op = "Augment"
        checked = {
            "shift": integer(op, "shift", self.shift, 0, 2**15),
            "flip": flag(op, "flip", self.flip),
            "rotation": real(op, "rotation", self.rotation, 0, 180),
            "erase": integer(op, "erase", self.erase, 0, 2**15),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    def turns(self) -> Array:
        """Cosine and sine of every angle, (257, 2): from minus ``rotation`` to plus ``rotation``."""
        half = TURNS // 2
        angles = [math.radians(float(self.rotation)) * (n - half) / half for n in range(TURNS)]
        return np.array([(math.cos(angle), math.sin(angle)) for angle in angles], np.float32)

    def spec(self) -> dict[str, Any]:
        """The settings as plain data, for the engine."""
        turns = self.turns() if self.rotation else None
        return {"shift": self.shift, "flip": self.flip, "turns": turns, "erase": self.erase}
