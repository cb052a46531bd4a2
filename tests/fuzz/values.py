"""Drawing numbers of a kind, and laying them out in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fuzz.problem import Kind
from layouts import LAYOUTS, unaligned

Array = NDArray[np.float32]

KINDS = (
    [Kind.INTEGERS] * 6
    + [Kind.REALS] * 6
    + [Kind.NONFINITE] * 3
    + [Kind.MIXED] * 2
    + [Kind.DENORMAL] * 2
    + [Kind.HUGE]
)
SPECIAL = np.array([np.nan, np.nan, np.inf, -np.inf, 0.0, -0.0], np.float32)
SMALLEST = np.array([2.0**-149, -(2.0**-149), 2.0**-126, -(2.0**-126), 2.0**-127], np.float32)


def choice(rng: np.random.Generator, of: Sequence[Any]) -> Any:
    return of[int(rng.integers(len(of)))]


def numbers(rng: np.random.Generator, kind: Kind, shape: tuple[int, ...], bound: int = 5) -> Array:
    """An array in C order; now and then all of it repeats along one axis.

    Not along a long one: the roundings of thousands of equal numbers all go one way, and the bound is one of
    roundings that go either way.
    """
    axis = int(rng.integers(len(shape))) if shape else 0
    if shape and shape[axis] <= 256 and rng.integers(25) == 0:
        one = numbers(rng, kind, (*shape[:axis], min(1, shape[axis]), *shape[axis + 1 :]), bound)
        return np.ascontiguousarray(np.broadcast_to(one, shape))
    if kind is Kind.INTEGERS:
        return rng.integers(-bound, bound + 1, shape).astype(np.float32)
    values = rng.standard_normal(shape).astype(np.float32)
    if kind is Kind.MIXED:
        return np.ldexp(values, rng.integers(-60, 61, shape)).astype(np.float32)
    if kind is Kind.DENORMAL:
        low, high = choice(rng, [(-149, -125), (-75, -50), (-3, 4)])
        small = np.ldexp(values, rng.integers(low, high, shape)).astype(np.float32)
        return _planted(rng, small, SMALLEST)
    if kind is Kind.HUGE:
        low, high = choice(rng, [(120, 127), (60, 68), (-3, 4), (-3, 127)])
        large = np.ldexp(values.astype(np.float64), rng.integers(low, high, shape))
        return np.clip(large, -3.4e38, 3.4e38).astype(np.float32)
    if kind is Kind.NONFINITE and rng.integers(3):
        return _planted(rng, values, SPECIAL)
    return values


def _planted(rng: np.random.Generator, values: Array, special: Array) -> Array:
    """Some of the values replaced: a few, so that most results are still numbers."""
    if values.size:
        count = int(rng.integers(1, 4 + values.size // 50))
        values.reshape(-1)[rng.integers(values.size, size=count)] = rng.choice(special, count)
    return values


def laid_out(rng: np.random.Generator, a: NDArray[Any], kind: Kind) -> NDArray[Any]:
    """Equal numbers in another layout or of another type, which holds all of them."""
    view = a
    if rng.integers(3) == 0 and a.dtype == np.float32:
        types = [">f4", "f8", "g"]
        if kind is Kind.INTEGERS and np.all((np.abs(a) < 100) & (a == np.rint(a))):
            types += ["f2", "i1", "i2", "i4", "i8"] + (["u1", "u8"] if np.all(a >= 0) else [])
        view = a.astype(choice(rng, types))
    elif rng.integers(3) == 0 and a.dtype == np.int64 and np.all(np.abs(a) < 100):
        view = a.astype(choice(rng, ["i1", "i2", "i4", ">i8"]))
    if a.ndim and rng.integers(3) == 0:
        order = rng.permutation(a.ndim)  # transposed: the axes lie in any order
        return np.ascontiguousarray(view.transpose(order)).transpose(np.argsort(order))
    if a.ndim and rng.integers(2) == 0 and a.size and np.array_equal(a, np.broadcast_to(a[:1], a.shape)):
        return np.broadcast_to(view[:1], a.shape)
    if a.ndim == 0 or a.size == 0 or rng.integers(3) == 0:
        return view
    return choice(rng, [layout for layout in LAYOUTS if layout is not unaligned or view.itemsize > 1])(view)


def batch_of(rng: np.random.Generator) -> int:
    """Around a tile of 16 images, and what is left over of it."""
    low, high = choice(rng, [(1, 3), (1, 3), (4, 9), (14, 18), (15, 17), (31, 34), (1, 40), (1, 40)])
    return 0 if rng.integers(150) == 0 else int(rng.integers(low, high + 1))


def pair(rng: np.random.Generator, low: int, high: int) -> tuple[int, int]:
    return int(rng.integers(low, high + 1)), int(rng.integers(low, high + 1))
