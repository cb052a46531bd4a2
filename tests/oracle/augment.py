"""Augmentation, pixel by pixel: the transform of an image from its words, and what it makes of the image."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from oracle.philox import AUGMENTATION, draw

Pixels = NDArray[np.float32]
TURNS = 257


class Settings(NamedTuple):
    """As `convlet.Augment` has them."""

    shift: int = 0
    flip: bool = False
    rotation: float = 0.0
    erase: int = 0


class Transform(NamedTuple):
    """Of one image."""

    down: int
    right: int
    mirrored: bool
    angle: float | None
    erased: tuple[int, int]


def below(n: int, word: np.uint32) -> int:
    """0 .. n - 1."""
    return int(word) * n >> 32


def transform(s: Settings, seed: int, step: int, image: int, height: int, width: int) -> Transform:
    """Drawn for the image of that index in its set."""
    words = draw(seed, step, AUGMENTATION, image, 2)
    shifts, half = 2 * s.shift + 1, TURNS // 2
    angle = math.radians(s.rotation) * (below(TURNS, words[3]) - half) / half if s.rotation else None
    return Transform(
        below(shifts, words[0]) - s.shift,
        below(shifts, words[1]) - s.shift,
        s.flip and bool(words[2] >> 31),
        angle,
        (below(height, words[4]) - s.erase // 2, below(width, words[5]) - s.erase // 2),
    )


def turned(x: Pixels, t: Transform) -> Pixels:
    """One channel turned about its middle and shifted, in float32, each operation rounded by itself."""
    assert t.angle is not None
    height, width = x.shape
    padded = np.pad(x, 1)
    middle = np.float32((height - 1) / 2), np.float32((width - 1) / 2)
    pixels = [
        [_turned_pixel(padded, t.angle, middle, r - t.down, c - t.right) for c in range(width)]
        for r in range(height)
    ]
    return np.array(pixels, np.float32)


def _turned_pixel(padded: Pixels, angle: float, middle: tuple[np.float32, ...], r: int, c: int) -> np.float32:
    height, width = padded.shape
    cosine, sine = np.float32(math.cos(angle)), np.float32(math.sin(angle))
    down, right = np.float32(r) - middle[0], np.float32(c) - middle[1]
    row = (cosine * down + sine * right) + middle[0]
    column = (cosine * right - sine * down) + middle[1]
    r0, c0 = int(np.floor(row)), int(np.floor(column))

    def at(i: int, j: int) -> np.float32:
        inside = 0 <= i + 1 < height and 0 <= j + 1 < width
        return padded[i + 1, j + 1] if inside else np.float32(0)

    y, x = row - np.float32(r0), column - np.float32(c0)
    upper = at(r0, c0) + x * (at(r0, c0 + 1) - at(r0, c0))
    lower = at(r0 + 1, c0) + x * (at(r0 + 1, c0 + 1) - at(r0 + 1, c0))
    return upper + y * (lower - upper)


def shifted(x: Pixels, down: int, right: int) -> Pixels:
    """One channel, with zeros behind it."""
    height, width = x.shape
    y = np.zeros_like(x)
    for r in range(height):
        for c in range(width):
            if 0 <= r - down < height and 0 <= c - right < width:
                y[r, c] = x[r - down, c - right]
    return y


def forward(images: Pixels, s: Settings, seed: int, step: int, indices: NDArray[np.int64]) -> Pixels:
    """(N, C, H, W), of which the indices say where in their set they lie."""
    found = []
    for image, index in zip(images, indices, strict=True):
        t = transform(s, seed, step, int(index), *image.shape[1:])
        channels = []
        for channel in image:
            y = channel[:, ::-1] if t.mirrored else channel
            y = shifted(y, t.down, t.right) if t.angle is None else turned(y, t)
            top, left = t.erased
            rows, columns = (
                slice(max(top, 0), max(top + s.erase, 0)),
                slice(max(left, 0), max(left + s.erase, 0)),
            )
            y[rows, columns] = 0
            channels.append(y)
        found.append(channels)
    return np.array(found, np.float32)
