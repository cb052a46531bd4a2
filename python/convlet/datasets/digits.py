"""Ten digits, drawn from strokes: a data set of any size that needs no file and no network."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from .._arrays import Labels, flag, integer
from .dataset import Dataset
from .glyphs import Skeletons, skeletons

__all__ = ["Digits"]

Words = npt.NDArray[np.uint64]
Reals = npt.NDArray[np.float64]

_TRAIN_SIZE, _TEST_SIZE = 80_000, 10_000
_LARGEST_SEED = 2**63 - 1

_SIDE = 28
_POINTS = 48  # on each digit: about a pixel apart
_MARGIN = 8  # pixels outside of the image where the places of points still differ
_FRACTION = 16  # places in a pixel
_FULL = 255  # ink of a point at its centre: the sum of 48 products of two stays below 2**24
_SQRT_2PI = 2.5066282746310002

# The hand. Lengths are in pixels; "sd" is the standard deviation of a bell, the rest is uniform.
_PENS = np.arange(36, 56) / 32  # standard deviations of a point's ink
_HEIGHT, _HEIGHT_SD = 21.0, 1.6
_WIDTH, _WIDTH_SD = 1.0, 0.12  # of the drawing below, relative to the height
_SHIFT_X, _SHIFT_Y = 4.0, 3.4
_SLANT_SD = 0.18
_TURN_SD = 0.09  # tangent of half the angle
_WOBBLE_SD = 2.6  # of every control point, in hundredths of the height
_INK_LOW, _INK_HIGH = 235, 255
_GRAIN = 16

# The random words of an image: ten for the whole, two for each control point, one for eight pixels of grain.
_WORDS = 10
_GRAIN_WORDS = _SIDE * _SIDE // 8
_BLOCK = 500  # images drawn at once, so that their ink tables (5 MB) stay in cache; part of what a seed means


class Digits(Dataset):
    """Ten hand-drawn digits, 28x28, 0 (paper) to 255 (ink), drawn on the spot: some 100,000 a second.

    Every image takes one of the ways to write its digit, moves the control points of the strokes, bends
    smooth curves through them, stretches, slants, turns and shifts the whole, draws it with a round pen of
    random width and adds grain. Softmax regression is right on about nine test images of ten, the LeNet of
    the recipe ``d2l`` on about 99 of a hundred.

    The same arguments give the same bytes on every machine and with every version of NumPy: the random
    numbers are the raw stream of PCG64; the arithmetic is exact, or rounded as IEEE 754 says; and the tables
    made with the mathematical library are rounded to whole numbers. A smaller set is the beginning of a
    larger one, test images come from a stream of their own, and each 500 images hold every digit 50 times.

    Args:
        train: images to train on, or to test with.
        size: how many; by default 80,000 to train on, 10,000 to test with.
        seed: another seed, other images.

    Raises:
        TypeError: an argument of a wrong type.
        ValueError: ``size`` or ``seed`` is negative or too large.
    """

    def __init__(self, train: bool = True, size: int | None = None, seed: int = 0) -> None:
        stream = 0 if flag("Digits", "train", train) else 1
        seed = integer("Digits", "seed", seed, low=0, high=_LARGEST_SEED)
        if size is None:
            size = _TRAIN_SIZE if train else _TEST_SIZE
        size = integer("Digits", "size", size, low=0)
        images = np.empty((size, 1, _SIDE, _SIDE), np.uint8)
        labels = np.empty(size, np.int64)
        for block, start in enumerate(range(0, size, _BLOCK)):
            part = slice(start, min(start + _BLOCK, size))
            drawn, digits = _draw(np.random.SeedSequence(seed, spawn_key=(stream, block)))
            images[part, 0], labels[part] = drawn[: part.stop - start], digits[: part.stop - start]
        super().__init__(images, labels, tuple("0123456789"), "digits", train)


def _draw(seeds: np.random.SeedSequence) -> tuple[npt.NDArray[np.uint8], Labels]:
    """One block: images ``(_BLOCK, 28, 28)`` and their digits."""
    glyphs = _glyphs()
    corners = glyphs.controls.shape[1]
    words = np.random.PCG64(seeds).random_raw(_BLOCK * (_WORDS + 2 * corners + _GRAIN_WORDS))
    whole, moves, grain = np.split(words.reshape(_BLOCK, -1), [_WORDS, _WORDS + 2 * corners], axis=1)
    order, way, right, down, width, tone, tall, *bells = whole.T

    digits = np.argsort(order, kind="stable") % 10
    first = np.array(glyphs.first)
    glyph = first[digits] + _below(first[digits + 1] - first[digits], way)
    wobble = np.rint(_WOBBLE_SD * _bell(moves)).reshape(_BLOCK, corners, 2)
    curves = np.matmul(glyphs.basis[glyph], glyphs.controls[glyph] + wobble.astype(np.float32))
    height = _HEIGHT + _HEIGHT_SD * _bell(tall)
    x, y = _hold(curves.astype(np.float64) * (height / (100 * glyphs.one))[:, None, None], *bells)
    x += (_SIDE / 2 + _SHIFT_X * _uniform(right))[:, None]
    y += (_SIDE / 2 + _SHIFT_Y * _uniform(down))[:, None]

    pen = _below(np.array(len(_PENS)), width)
    rows, columns = _ink()[pen[:, None], _place(y)], _ink()[pen[:, None], _place(x)]
    ink = np.matmul(rows.transpose(0, 2, 1), columns)
    # Times this, the ink of evenly spaced points sums to 1 along the middle of a straight stroke. The edge of
    # the stroke is where it falls from 0.78 (full) to 0.16 (nothing).
    density = glyphs.length[glyph] * height / (_POINTS * _SQRT_2PI * _PENS[pen] * _FULL**2)
    picture = np.clip(ink * (1.6 * density).astype(np.float32)[:, None, None] - np.float32(0.25), 0, 1)
    black = 0.5 * (_INK_HIGH + _INK_LOW) + 0.5 * (_INK_HIGH - _INK_LOW) * _uniform(tone)
    picture *= black.astype(np.float32)[:, None, None]
    noise = grain.astype("<u8").view(np.uint8).reshape(picture.shape).astype(np.float32)
    picture += (noise - 128) * np.float32(_GRAIN / 128)
    return np.clip(picture, 0, 255).astype(np.uint8), digits


def _hold(points: Reals, wide: Words, slant: Words, turn: Words) -> tuple[Reals, Reals]:
    """Stretch, slant and turn ``points`` ``(N, P, 2)`` about the origin; returns x and y, ``(N, P)``.

    Cosine and sine come from t, the tangent of half the angle, as (1 - t^2) / (1 + t^2) and 2t / (1 + t^2):
    divisions have the same bits everywhere, the mathematical library has not.
    """
    x, y = points[:, :, 0], points[:, :, 1]
    x = (_WIDTH + _WIDTH_SD * _bell(wide))[:, None] * x - (_SLANT_SD * _bell(slant))[:, None] * y
    t = (_TURN_SD * _bell(turn))[:, None]
    cosine, sine = (1 - t * t) / (1 + t * t), 2 * t / (1 + t * t)
    return cosine * x - sine * y, sine * x + cosine * y


@cache
def _glyphs() -> Skeletons:
    return skeletons(_POINTS)


@cache
def _ink() -> npt.NDArray[np.float32]:
    """``(pen, place, pixel)``: the ink of a point along one axis, in whole numbers.

    A round pen's ink is the product of the two axes', so an image is a product of two matrices, whose
    integers make it the same in any order of summation.
    """
    places = np.arange((_SIDE + 2 * _MARGIN) * _FRACTION + 1) / _FRACTION - _MARGIN
    distance = (np.arange(_SIDE) + 0.5 - places[:, None]) / _PENS[:, None, None]
    ink: npt.NDArray[np.float32] = np.rint(_FULL * np.exp(-0.5 * distance * distance)).astype(np.float32)
    return ink


def _place(pixels: Reals) -> Labels:
    last = (_SIDE + 2 * _MARGIN) * _FRACTION
    place: Labels = np.floor((pixels + _MARGIN) * _FRACTION + 0.5).clip(0, last).astype(np.int64)
    return place


def _below(count: Labels, words: Words) -> Labels:
    """Even over 0 .. count - 1 (to within 2**-53 * count), from the upper 53 bits of each word."""
    high: Labels = (words >> np.uint64(11)).astype(np.int64)
    return high % count


def _uniform(words: Words) -> Reals:
    """Even over -1 .. 1, from the upper 53 bits of each word."""
    half: Reals = (words >> np.uint64(11)).astype(np.float64)
    return half * 2.0**-52 - 1


def _bell(words: Words) -> Reals:
    """Mean 0, standard deviation 1, never past 3.47: the sum of the four 16-bit numbers in each word.

    Source: the distribution of J. Irwin and P. Hall, 1927.
    """
    total: Reals = np.full(words.shape, -131070.0)
    for shift in (0, 16, 32, 48):
        total += (words >> np.uint64(shift)) & np.uint64(0xFFFF)
    return total / 37837.2273
