"""What a case is, once drawn: arrays, a call, and what the call should give."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]

SUM = 4
"""k of sums of products. Not 1: in data of all magnitudes a large term first may swallow the small ones that
follow, each rounded the same way."""


class Kind(Enum):
    """Of the numbers that go in."""

    INTEGERS = "integers"
    """So small that every partial sum is below 2 ** 24, and results are bit-equal to the oracle."""
    REALS = "reals"
    MIXED = "mixed"
    """Of all magnitudes from 2 ** -60 to 2 ** 60 side by side."""
    DENORMAL = "denormal"
    """Numbers below 2 ** -126, or so small that their products are."""
    HUGE = "huge"
    """Finite numbers up to the largest float32, so that sums and products overflow."""
    NONFINITE = "nonfinite"
    """Normal deviates with zeros, infinities and NaN among them; finite sums stay far from an overflow."""


@dataclass(frozen=True)
class Expected:
    """One result in float64, and what its rounding may depend on."""

    value: NDArray[Any]
    magnitude: NDArray[np.float64] | float = 0.0
    """The sum of the absolute terms."""
    terms: int = 1
    k: float = SUM
    exact: bool = False
    """Every bit is known: a selection, integers."""
    reach: NDArray[np.float64] | float | None = None
    """What partial results may come to in absolute value; `magnitude`, if it is not said."""


@dataclass(frozen=True)
class Problem:
    """One call of an op on drawn arrays."""

    op: str
    kind: Kind
    options: Mapping[str, Any]
    inputs: Arrays
    """In C order, float32 or integers, as the results are computed from."""
    run: Callable[[Arrays], Arrays]
    expected: Callable[[], dict[str, Expected]]
    images: tuple[str, ...] = ()
    """Which inputs have a row for each image,"""
    by_image: tuple[str, ...] = ()
    """and which results."""
    twin: Callable[[Arrays], Arrays] | None = None
    """Another way to the same bits."""
    in_place: tuple[str, ...] = ()
    """Inputs that the call updates, so that they come as they are, and fresh each time."""

    def __str__(self) -> str:
        shapes = ", ".join(f"{name} {a.shape}" for name, a in self.inputs.items())
        options = ", ".join(f"{name}={value}" for name, value in self.options.items())
        return f"{self.op} ({self.kind.value}): {shapes}; {options}"
