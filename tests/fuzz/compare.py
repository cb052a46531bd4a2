"""How far a float32 result may lie from the float64 one, and what it must be where there is no such number.

A finite result:  |actual - expected| <= k eps sqrt(terms) sum|t| + terms 2^-149,  eps = 2^-23, k <= 8.

- Where the float64 result is NaN, because a term is (NaN, 0 * infinity) or because infinities of both signs
  meet, the result must be NaN. Which NaN is left open.
- Where it is infinite because a term is, the result must be that infinity: data that hold infinities hold no
  finite numbers whose sums could overflow.
- Where all terms are finite and their magnitudes add up to less than the largest float32, nothing may
  overflow.
- Where the magnitudes add up to more, partial sums may overflow, in an order that is no promise: the result
  is within the bound, or not finite. It must not be finite if the true result, less its bound, is beyond the
  largest float32; of a plain sum whose terms of the other sign are not enough to overflow, it must be the
  infinity of its sign.
- Integers and selections are equal; the sign of a zero is free.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fuzz.problem import Expected
from tolerances import EPSILON, TINY

LARGEST = float(np.finfo(np.float32).max)


def error_of(actual: NDArray[Any], expected: Expected) -> tuple[float, str | None]:
    """The largest error as a share of its bound, and a sentence on the worst place if one is wrong."""
    value = np.asarray(expected.value)
    if actual.shape != value.shape:
        return np.inf, f"shape {actual.shape}, expected {value.shape}"
    if expected.exact:
        wrong = ~((actual == value) | ((actual != actual) & (value != value)))
        return float(wrong.any()), _sentence(actual, value, wrong, np.zeros(value.shape))
    if actual.dtype != np.float32:
        return np.inf, f"{actual.dtype}, expected float32"
    with np.errstate(invalid="ignore", over="ignore"):
        return _error_of_sum(actual.astype(np.float64), value, expected)


def _error_of_sum(actual: NDArray[Any], value: NDArray[Any], expected: Expected) -> tuple[float, str | None]:
    terms = max(expected.terms, 1)
    magnitude = np.broadcast_to(expected.magnitude, value.shape)
    bound = expected.k * EPSILON * np.sqrt(terms) * magnitude + terms * TINY
    reach = magnitude if expected.reach is None else np.broadcast_to(expected.reach, value.shape)
    finite = np.isfinite(value)
    error = np.abs(actual - value)
    may_overflow = finite & (reach + bound >= LARGEST)
    must_overflow = finite & (np.abs(value) - bound > LARGEST * (1 + EPSILON))
    opposite = (magnitude - np.abs(value)) / 2 + magnitude * 2.0**-50  # the terms against the sign of the sum
    one_way = must_overflow & (opposite < LARGEST) & (expected.reach is None)
    infinity = np.where(value > 0, np.inf, -np.inf)
    right = np.where(finite, error <= bound, (actual == value) | (np.isnan(actual) & np.isnan(value)))
    right |= may_overflow & ~np.isfinite(actual)
    right &= ~must_overflow | ~np.isfinite(actual)
    right &= ~one_way | (actual == infinity)
    shares = np.where(finite & np.isfinite(actual) & ~must_overflow & (magnitude > 1e-30), error / bound, 0.0)
    return float(shares.max(initial=0.0)), _sentence(actual, value, ~right, bound)


def _sentence(
    actual: NDArray[Any], value: NDArray[Any], wrong: NDArray[np.bool_], bound: NDArray[Any]
) -> str | None:
    if not wrong.any():
        return None
    with np.errstate(invalid="ignore"):
        excess = np.where(wrong, np.nan_to_num(np.abs(actual - value) - bound, nan=np.inf), -1.0)
    place = tuple(int(i) for i in np.unravel_index(int(np.argmax(excess)), wrong.shape))
    return (
        f"{np.count_nonzero(wrong)} of {wrong.size} values are wrong, worst at {place}: "
        f"{actual[place]!r}, expected {value[place]!r} within {bound[place]:.3g}"
    )
