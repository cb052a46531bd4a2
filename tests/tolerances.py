"""How far a float32 result may lie from the float64 oracle, and the only comparisons that the tests use.

A sum of `terms` rounded products t is off by about sqrt(terms) roundings of the size of its partial sums, so
every family has the one form

    |actual - expected| <= k * (eps * sqrt(terms) * sum |t| + tiny),    eps = 2 ** -23, tiny = 2 ** -149

and differs in k alone; tiny, the spacing of subnormal numbers, matters to results below 1e-38 only.
`magnitude`, the sum of |t|, comes from the oracle itself, fed with absolute values.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

EPSILON, TINY = 2.0**-23, 2.0**-149

SUM = 1
"""k of a sum of products: convolution, dense layer, average, and their gradients."""
UPDATE = 4
"""k of an optimizer's step: a handful of roundings by element, the parameter among them."""
CHAIN = 8
"""k of a chain of exponentials, logarithms and quotients: softmax and cross-entropy."""


def assert_same_bits(actual: NDArray[Any], expected: NDArray[Any], what: object = "") -> None:
    """Same shape, same type, same bytes; the first difference is shown with its place."""
    assert actual.shape == expected.shape, f"{what}: shape {actual.shape}, expected {expected.shape}"
    assert actual.dtype == expected.dtype, f"{what}: {actual.dtype}, expected {expected.dtype}"
    if actual.tobytes() == expected.tobytes():
        return
    words = f"u{actual.dtype.itemsize}"
    differs = np.asarray(actual, order="C").view(words) != np.asarray(expected, order="C").view(words)
    place = tuple(int(i) for i in np.argwhere(differs)[0])
    raise AssertionError(
        f"{what}: {np.count_nonzero(differs)} of {differs.size} values differ in their bits, first at "
        f"{place}: {actual[place]!r}, expected {expected[place]!r}"
    )


def assert_exact(actual: NDArray[np.float32], expected: NDArray[np.float64], what: object = "") -> None:
    """Equal to an oracle whose every value is a float32 number; the sign of a zero is free."""
    rounded = expected.astype(np.float32)
    assert np.array_equal(rounded.astype(np.float64), expected, equal_nan=True), (
        f"{what}: the oracle is no float32"
    )
    assert actual.dtype == np.float32, f"{what}: {actual.dtype}, expected float32"
    assert_same_bits(actual + np.float32(0), rounded + np.float32(0), what)


def assert_close(
    actual: NDArray[np.float32],
    expected: NDArray[np.float64],
    magnitude: NDArray[np.float64] | float,
    terms: int,
    k: int = SUM,
    what: object = "",
) -> None:
    """Within the family `k`; `magnitude` is the sum of the absolute terms behind each value."""
    expected = np.asarray(expected)
    assert actual.shape == expected.shape, f"{what}: shape {actual.shape}, expected {expected.shape}"
    assert actual.dtype == np.float32, f"{what}: {actual.dtype}, expected float32"
    bound = np.broadcast_to(k * (EPSILON * np.sqrt(max(terms, 1)) * magnitude + TINY), expected.shape)
    error = np.abs(actual.astype(np.float64) - expected)
    if np.all(error <= bound):  # a NaN on either side fails here
        return
    place = np.unravel_index(int(np.argmax(np.nan_to_num(error - bound, nan=np.inf))), expected.shape)
    place = tuple(int(i) for i in place)
    raise AssertionError(
        f"{what}: {np.count_nonzero(~(error <= bound))} of {error.size} values are off, worst at {place}: "
        f"{actual[place]!r}, expected {expected[place]!r} within {bound[place]:.3g}"
    )


def relative_to_largest(actual: NDArray[Any], expected: NDArray[Any]) -> float:
    """The largest difference of a tensor, as a share of the largest value of `expected`."""
    if expected.size == 0:
        return 0.0
    difference = np.abs(np.asarray(actual, np.float64) - np.asarray(expected, np.float64)).max()
    largest = np.abs(np.asarray(expected, np.float64)).max()
    return float(difference / largest) if largest > 0 else float(difference)


def assert_same_bits_by_name(
    actual: Mapping[str, NDArray[Any]], expected: Mapping[str, NDArray[Any]], what: object = ""
) -> None:
    """`assert_same_bits` over dicts of tensors with the same keys."""
    assert list(actual) == list(expected), f"{what}: {list(actual)}, expected {list(expected)}"
    for name, tensor in expected.items():
        assert_same_bits(actual[name], tensor, f"{what} {name}")


def ulps(actual: NDArray[np.float32], expected: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance in units of the last place of the float32 next to `expected`, subnormal spacing included."""
    spacing = np.spacing(np.abs(expected).astype(np.float32)).astype(np.float64)
    return np.abs(actual.astype(np.float64) - expected) / spacing
