"""Mutations of bytes that know no format."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from random import Random

from . import SIZES

__all__ = ["mutate_bytes", "patch_integer"]

_LARGEST_BYTES = 1 << 16
_FIELDS = ("B", "<H", ">H", "<I", ">I", "<Q", ">Q")


def mutate_bytes(rng: Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    """One mutation: of bits, of bytes, of integers, of the length, or a splice with another seed."""
    return rng.choice(_MUTATIONS)(rng, data, seeds)[:_LARGEST_BYTES]


def patch_integer(rng: Random, data: bytes, seeds: Sequence[bytes] = ()) -> bytes:
    """An integer of 1, 2, 4 or 8 bytes, in either order, becomes one of :data:`SIZES`."""
    field = rng.choice(_FIELDS)
    size = struct.calcsize(field)
    if len(data) < size:
        return data
    place = _header_place(rng, len(data) - size + 1)
    value = rng.choice(SIZES) & ((1 << 8 * size) - 1)
    return data[:place] + struct.pack(field, value) + data[place + size :]


def _header_place(rng: Random, count: int) -> int:
    """Any place, and as often one of the first 64, where most headers lie."""
    return rng.randrange(count if rng.random() < 0.5 else min(count, 64))


def _flip_bits(rng: Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16)) if data else 0):
        changed[_header_place(rng, len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _set_bytes(rng: Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4)) if data else 0):
        changed[_header_place(rng, len(changed))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
    return bytes(changed)


def _truncate(rng: Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _insert(rng: Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    place = rng.randrange(len(data) + 1)
    return data[:place] + rng.randbytes(rng.choice((1, 2, 4, 8, 64, 1000))) + data[place:]


def _piece(rng: Random, data: bytes) -> bytes:
    start = rng.randrange(len(data) + 1)
    return data[start : start + rng.choice((1, 2, 4, 8, 16, 64, 256))]


def _delete(rng: Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    start = rng.randrange(len(data) + 1)
    return data[:start] + data[start + rng.choice((1, 2, 4, 8, 16, 64, 256)) :]


def _duplicate(rng: Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    place = rng.randrange(len(data) + 1)
    return data[:place] + _piece(rng, data) * rng.choice((1, 1, 2, 20)) + data[place:]


def _splice(rng: Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    other = rng.choice(seeds)
    if rng.random() < 0.5:
        return data[: rng.randrange(len(data) + 1)] + other[rng.randrange(len(other) + 1) :]
    place = rng.randrange(len(data) + 1)
    piece = _piece(rng, other)
    return data[:place] + piece + data[place + len(piece) :]


_MUTATIONS: tuple[Callable[[Random, bytes, Sequence[bytes]], bytes], ...] = (
    *(_flip_bits, _set_bytes, _truncate, _insert, _delete, _duplicate, _splice),
    *(patch_integer, patch_integer),
)
