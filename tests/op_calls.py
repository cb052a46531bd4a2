"""Every op of `functional` as one call on named arrays, for what all ops have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convlet import functional

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Call:
    """`run(**arrays)` gives a tuple of results; `shapes` says what it takes, with -1 for the batch."""

    name: str
    run: Callable[..., Any]
    shapes: dict[str, tuple[int, ...]]
    by_image: tuple[int, ...]
    """Which of the results have a row for each image."""

    def arrays(self, rng: np.random.Generator, batch: int) -> Arrays:
        """Normal deviates of every shape; class indices for a target."""
        return {
            name: rng.integers(0, 5, batch)
            if name == "target"
            else rng.standard_normal([batch if n == -1 else n for n in shape]).astype(np.float32)
            for name, shape in self.shapes.items()
        }

    def images(self, arrays: Arrays, rows: slice) -> Arrays:
        """The same arrays for some images of the batch."""
        return {name: a[rows].copy() if self.shapes[name][0] == -1 else a for name, a in arrays.items()}

    def __call__(self, **arrays: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        results = self.run(**arrays)
        return results if isinstance(results, tuple) else (np.asarray(results),)


CONVOLUTION = {"stride": (2, 1), "padding": (1, 0, 2, 1), "dilation": (1, 2), "groups": 2}
WINDOW = {"kernel_size": (3, 2), "stride": (2, 1), "padding": (1, 0), "ceil_mode": True}
IMAGE, FILTERED, POOLED = (-1, 4, 11, 9), (-1, 6, 5, 10), (-1, 4, 6, 8)
FILTERS = {"weight": (6, 2, 3, 2), "bias": (6,)}


def _elementwise() -> list[Call]:
    names = ("relu", "sigmoid", "tanh", "softmax", "log_softmax")
    forward = [Call(name, getattr(functional, name), {"x": (-1, 3, 7)}, (0,)) for name in names]
    both = {"dy": (-1, 3, 7), "y": (-1, 3, 7)}
    backward = [Call(f"{n}_backward", getattr(functional, f"{n}_backward"), both, (0,)) for n in names]
    return forward + backward


CALLS = (
    Call("conv2d", lambda **a: functional.conv2d(**a, **CONVOLUTION), {"x": IMAGE, **FILTERS}, (0,)),
    Call(
        "conv2d_backward",
        lambda **a: functional.conv2d_backward(**a, **CONVOLUTION),
        {"dy": FILTERED, "x": IMAGE, "weight": FILTERS["weight"]},
        (0,),
    ),
    Call(
        "max_pool2d",
        lambda **a: functional.max_pool2d(**a, **WINDOW, return_indices=True),
        {"x": IMAGE},
        (0, 1),
    ),
    Call(
        "max_pool2d_backward",
        lambda **a: functional.max_pool2d_backward(**a, **WINDOW),
        {"dy": POOLED, "x": IMAGE},
        (0,),
    ),
    Call("avg_pool2d", lambda **a: functional.avg_pool2d(**a, **WINDOW), {"x": IMAGE}, (0,)),
    Call(
        "avg_pool2d_backward",
        lambda **a: functional.avg_pool2d_backward(**a, **WINDOW),
        {"dy": POOLED, "x": IMAGE},
        (0,),
    ),
    Call("linear", functional.linear, {"x": (-1, 83), "weight": (31, 83), "bias": (31,)}, (0,)),
    Call(
        "linear_backward",
        functional.linear_backward,
        {"dy": (-1, 31), "x": (-1, 83), "weight": (31, 83)},
        (0,),
    ),
    *_elementwise(),
    Call(
        "cross_entropy",
        lambda **a: functional.cross_entropy(**a, reduction="none", label_smoothing=0.1),
        {"logits": (-1, 5), "target": (-1,)},
        (0,),
    ),
    Call(
        "cross_entropy_backward",
        lambda **a: functional.cross_entropy_backward(**a, reduction="sum", label_smoothing=0.1),
        {"logits": (-1, 5), "target": (-1,)},
        (0,),
    ),
)
