"""Dropout with a mask that a seed and a step give."""

from __future__ import annotations

from typing import SupportsFloat, SupportsIndex, overload

from .. import _core
from .._arrays import Array, Numbers, Operand, as_operand, integer, real
from .._core import DeviceArray

__all__ = ["dropout"]

_LAYERS, _STEPS, _SEEDS = 2**15, 2**48, 2**64


@overload
def dropout(  # type: ignore[overload-overlap]
    x: DeviceArray,
    p: SupportsFloat = 0.5,
    seed: SupportsIndex = 0,
    step: SupportsIndex = 0,
    layer: SupportsIndex = 0,
) -> DeviceArray: ...
@overload
def dropout(
    x: Numbers,
    p: SupportsFloat = 0.5,
    seed: SupportsIndex = 0,
    step: SupportsIndex = 0,
    layer: SupportsIndex = 0,
) -> Array: ...
def dropout(
    x: Numbers,
    p: SupportsFloat = 0.5,
    seed: SupportsIndex = 0,
    step: SupportsIndex = 0,
    layer: SupportsIndex = 0,
) -> Operand:
    """``y = x / (1 - p)`` with probability 1 - p, else 0; the gradient is the same function of dy.

    Element i of image n, counted from 0 in C order, is kept if the upper 24 bits of its word are at least
    ``p * 2**24``, rounded. Its word is number ``i % 4`` of the four of Philox4x32-10 with the seed as key and
    the counter ``(i // 4, n, step % 2**32, layer + step // 2**32 * 2**16)``: the same on every device, in
    whatever order images are computed.

    Args:
        x: (N, ...).
        p: the share that is dropped, 0 to 1.
        seed: from 0 to 2**64 - 1.
        step: of the training, from 0.
        layer: which of a net's layers draws, from 0 to 2**15 - 1.

    Returns:
        y, of the shape of x, float32.

    Raises:
        TypeError: an array that is not of real numbers.
        ValueError: a number out of range.

    Source: J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
    """
    op = "dropout"
    return _core.dropout(
        as_operand(op, "x", x),
        real(op, "p", p, 0, 1),
        integer(op, "seed", seed, 0, _SEEDS - 1),
        integer(op, "step", step, 0, _STEPS - 1),
        integer(op, "layer", layer, 0, _LAYERS - 1),
    )
