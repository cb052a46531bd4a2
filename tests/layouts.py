"""The same numbers lying otherwise in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray


def every_second(a: NDArray[Any]) -> NDArray[Any]:
    """A view of a larger array, with a step along every axis and rubbish in between."""
    larger = np.full([2 * n for n in a.shape], 77, a.dtype)
    view = larger[tuple(slice(1, None, 2) for _ in a.shape)]
    view[...] = a
    return view


def backwards(a: NDArray[Any]) -> NDArray[Any]:
    """Negative strides along every axis."""
    turned = tuple(slice(None, None, -1) for _ in a.shape)
    return a[turned].copy()[turned]


def unaligned(a: NDArray[Any]) -> NDArray[Any]:
    """Memory that starts one byte behind a multiple of four."""
    raw = np.empty(a.nbytes + 1, np.uint8)
    view = raw[1:].view(a.dtype).reshape(a.shape)
    view[...] = a
    assert not view.flags.aligned
    return view


def read_only(a: NDArray[Any]) -> NDArray[Any]:
    frozen = a.copy()
    frozen.flags.writeable = False
    return frozen


LAYOUTS: list[Callable[[NDArray[Any]], NDArray[Any]]] = [
    np.asfortranarray,
    every_second,
    backwards,
    unaligned,
    read_only,
]
