"""Philox4x32-10 on arrays of counters, as its paper writes it down.

Source: J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint32]

MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)
MASK = 2**32 - 1
AUGMENTATION = 2**15


def philox(key: int, counters: NDArray[np.integer]) -> Words:
    """(..., 4) counters -> (..., 4) words."""
    words = [counters[..., n].astype(np.uint64) for n in range(4)]
    keys = [key & MASK, key >> 32]
    for _ in range(10):
        first, second = words[0] * np.uint64(MULTIPLIERS[0]), words[2] * np.uint64(MULTIPLIERS[1])
        words = [
            (second >> np.uint64(32)) ^ words[1] ^ np.uint64(keys[0]),
            second & np.uint64(MASK),
            (first >> np.uint64(32)) ^ words[3] ^ np.uint64(keys[1]),
            first & np.uint64(MASK),
        ]
        keys = [(key + step) & MASK for key, step in zip(keys, WEYL, strict=True)]
    return np.stack(words, axis=-1).astype(np.uint32)


def draw(seed: int, step: int, who: int, image: int, blocks: int) -> Words:
    """The first 4 * blocks words of an image."""
    counters = np.zeros((blocks, 4), np.uint64)
    counters[:, 0] = np.arange(blocks)
    counters[:, 1:] = image, step & MASK, who + (step >> 32) * 2**16
    return philox(seed, counters).reshape(-1)
