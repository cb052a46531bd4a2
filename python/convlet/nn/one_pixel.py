"""What the two poolings of whole images share."""

from __future__ import annotations

import reprlib

import numpy as np

from .._arrays import Numbers, Pair, Size, as_operand, pair

__all__ = ["image_size", "one_pixel"]


def one_pixel(op: str, size: Size) -> int | Pair:
    """The only output size there is, as it was given.

    Raises:
        TypeError: a size that is no integer.
        ValueError: another size.
    """
    expected = f"{op}: expected output_size 1 or (1, 1), one pixel a channel, got"
    try:
        pixels = pair(op, "output_size", size)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{expected} {' '.join(reprlib.repr(size).split())}") from None
    if pixels != (1, 1):
        raise ValueError(f"{expected} {pixels}")
    return (1, 1) if np.asarray(size).ndim else 1


def image_size(op: str, x: Numbers) -> Pair:
    """(H, W) of images.

    Raises:
        TypeError: what is no array of real numbers.
        ValueError: what are no images.
    """
    shape = tuple(as_operand(op, "x", x).shape)
    if len(shape) != 4:
        raise ValueError(f"{op}: expected x of shape (N, C, H, W), got {shape}")
    return shape[2], shape[3]
