"""Boxes around what was found, and the choice among those that show one thing."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Box", "intersection_over_union", "suppress"]


class Box(NamedTuple):
    """A part of a picture, and what is in it; lengths are in pixels of the picture."""

    top: float
    left: float
    height: float
    width: float
    label: int
    score: float
    """The probability of the label, 0 to 1."""


def intersection_over_union(corners: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """The area that boxes share with another, divided by the area that the two cover together.

    Args:
        corners: (N, 4): top, left, bottom, right.
        other: (4,).

    Returns:
        (N,), 0 to 1.

    Source: P. Jaccard, 1901, there for plants.
    """
    low = np.maximum(corners[:, :2], other[:2])
    high = np.minimum(corners[:, 2:], other[2:])
    common = np.prod(np.maximum(high - low, 0), axis=1)
    areas = np.prod(corners[:, 2:] - corners[:, :2], axis=1)
    area = np.prod(other[2:] - other[:2])
    shares: NDArray[np.float64] = common / (areas + area - common)
    return shares


def suppress(corners: NDArray[np.float64], scores: NDArray[np.float64], overlap: float) -> list[int]:
    """Non-maximum suppression: the best box stays, those that overlap it go, and so on with the rest.

    Args:
        corners: (N, 4): top, left, bottom, right.
        scores: (N,).
        overlap: boxes with a larger :func:`intersection_over_union` than this show one thing, 0 to 1.

    Returns:
        The indices of the boxes that stay, the best first; of equal scores the earlier box is the better one.
    """
    waiting = np.argsort(-scores, kind="stable")
    kept = []
    while waiting.size:
        best, waiting = waiting[0], waiting[1:]
        kept.append(int(best))
        waiting = waiting[intersection_over_union(corners[waiting], corners[best]) <= overlap]
    return kept
