"""How a valid input becomes a wrong one: bytes first, then what knows the structure of a format."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

Mutator = Callable[[Random, bytes, Sequence[bytes]], bytes]
"""From random numbers, an input and all seeds of its target another input."""

SIZES = (
    *(0, 1, 2, 3, 4, 7, 8, 9, 10, 15, 16, 27, 28, 29, 31, 32, 63, 64, 65, 99, 100, 127, 128, 129, 255, 256),
    *(257, 999, 1000, 1024, 4095, 4096, 32767, 32768, 65535, 65536, 10**6, 2**24, 10**9, 2**31 - 1, 2**31),
    *(2**32 - 1, 2**32, 2**40, 10**15, 2**62, 2**63 - 1, 2**63, 2**64 - 1),
)
"""Numbers at which sizes overflow, or promise more than any memory holds."""
NUMBERS = (*SIZES, *(-size for size in SIZES if size), 2**64, 2**100, -(2**64), 10**400)
"""Also those that no field of a file holds, for formats in text."""
