"""Dropout: y = x / (1 - p) where the upper 24 bits of an element's word are at least p 2^24, else 0."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oracle.philox import draw


def kept(shape: tuple[int, ...], p: float, seed: int, step: int, layer: int) -> NDArray[np.bool_]:
    """Which elements of (N, ...) are kept."""
    size = int(np.prod(shape[1:]))
    words = [draw(seed, step, layer, n, -(-size // 4))[:size] for n in range(shape[0])]
    return np.array([word >> 8 >= round(p * 2**24) for word in words], np.bool_).reshape(shape)


def forward(
    x: NDArray[np.float32], p: float, seed: int = 0, step: int = 0, layer: int = 0
) -> NDArray[np.float32]:
    """(N, ...) -> the same."""
    scale = np.float32(1 / (1 - p)) if p < 1 else np.float32(0)
    return np.where(kept(x.shape, p, seed, step, layer), x * scale, np.float32(0))
