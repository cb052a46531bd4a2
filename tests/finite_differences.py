"""Gradients from the definition: the second of the three oracles of the tests."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

STEP = 1e-6
PLACES = 50


def assert_gradient(claimed: Array, function: Callable[[Array], float], at: Array) -> None:
    """`claimed` is the gradient of `function` at this place, to about six digits of its largest value.

    Central differences (f(x + h) - f(x - h)) / 2h, at every element or at PLACES drawn ones of a large array.
    """
    at = np.array(at, np.float64)
    assert claimed.shape == at.shape
    flat = at.reshape(-1)
    places = np.arange(flat.size)
    if flat.size > PLACES:
        places = np.random.default_rng(flat.size).choice(places, PLACES, replace=False)
    expected = np.zeros(len(places))
    for n, place in enumerate(places):
        middle = flat[place]
        flat[place] = middle + STEP
        above = function(at)
        flat[place] = middle - STEP
        expected[n] = (above - function(at)) / (2 * STEP)
        flat[place] = middle
    largest = max(1.0, float(np.abs(expected).max(initial=0.0)))
    np.testing.assert_allclose(claimed.reshape(-1)[places], expected, rtol=1e-6, atol=1e-7 * largest)
