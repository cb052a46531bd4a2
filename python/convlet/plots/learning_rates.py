"""The loss over the learning rate."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from .canvas import BLUE, PINK, blank, saved

if TYPE_CHECKING:
    from .picture import Picture

__all__ = ["learning_rates"]


class RangeTest(Protocol):
    """What :func:`convlet.find_learning_rate` returns."""

    @property
    def rates(self) -> NDArray[np.float64]: ...
    @property
    def losses(self) -> NDArray[np.float64]: ...
    @property
    def suggestion(self) -> float | None: ...


def learning_rates(result: RangeTest, path: str | os.PathLike[str] | None = None) -> Picture:
    """Draw the smoothed loss over the learning rates, on a logarithmic axis, and the suggestion.

    Args:
        result: what :func:`convlet.find_learning_rate` found.
        path: where to save the picture; its ending says the format (``.png``, ``.svg``, ``.pdf``).

    Returns:
        The matplotlib figure, which belongs to no window and needs no screen.

    Raises:
        ImportError: matplotlib is not installed.
        OSError: the picture cannot be written; a previous one is untouched.
        ValueError: matplotlib knows no such format.
    """
    picture = blank("learning_rates", 5.0, 3.6, layout="constrained")
    axes = picture.add_subplot()
    axes.plot(result.rates, result.losses, color=BLUE, label="smoothed loss")
    if result.suggestion is not None:
        label = f"suggestion {result.suggestion:.2g}"
        axes.axvline(result.suggestion, color=PINK, linestyle="--", label=label)
    axes.set_xscale("log")
    axes.set_xlabel("learning rate")
    axes.set_ylabel("loss")
    axes.grid(color="0.85", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.legend(loc="best", framealpha=0.9)
    return saved(picture, path)
