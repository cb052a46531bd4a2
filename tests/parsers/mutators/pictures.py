"""Mutations of picture files whose checksums and lengths stay right, so that the decoders see the change."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from random import Random

from . import SIZES
from .blobs import mutate_bytes

__all__ = ["mutate_picture"]

_PNG = b"\x89PNG\r\n\x1a\n"
_SIDES = (0, 1, 2, 7, 100, 2000, 8192, 16384, 30000, 65535)


def mutate_picture(rng: Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    """Other sizes in the header, or a change within a chunk of a PNG."""
    if data.startswith(_PNG):
        return _mutate_png(rng, data, seeds)
    if data.startswith(b"GIF8"):
        return data[:6] + struct.pack("<HH", *_sides(rng)) + data[10:]
    if data.startswith(b"BM"):
        height = rng.choice((1, -1)) * rng.choice(_SIDES)
        return data[:18] + struct.pack("<ii", rng.choice(_SIDES), height) + data[26:]
    if data.startswith(b"RIFF"):
        size = rng.choice((*SIZES, len(data) - 8)) & 0xFFFFFFFF
        changed = bytearray(data[:4] + struct.pack("<I", size) + data[8:])
        changed[rng.randrange(20, min(32, len(data)))] = rng.randrange(256)
        return bytes(changed)
    if data.startswith(b"\xff\xd8"):
        place = next(
            (n for n in range(len(data) - 9) if data[n] == 0xFF and data[n + 1] in (0xC0, 0xC2)), None
        )
        if place is not None:
            return data[: place + 5] + struct.pack(">HH", *_sides(rng)) + data[place + 9 :]
    raise ValueError("no picture of a kind that is known here")


def _sides(rng: Random) -> tuple[int, int]:
    return rng.choice(_SIDES), rng.choice(_SIDES)


def _mutate_png(rng: Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    chunks, place = [], len(_PNG)
    while place + 8 <= len(data):
        (count,) = struct.unpack(">I", data[place : place + 4])
        chunks.append([data[place + 4 : place + 8], data[place + 8 : place + 8 + count]])
        place += 12 + count
    n, choice = rng.randrange(len(chunks)), rng.randrange(6)
    if choice == 0:
        chunks[0][1] = struct.pack(">II", *_sides(rng)) + chunks[0][1][8:]
    elif choice == 1:
        depth, colour = rng.choice((1, 2, 4, 8, 16, 3)), rng.choice((0, 2, 3, 4, 6, 5))
        chunks[0][1] = chunks[0][1][:8] + bytes([depth, colour, 0, 0, rng.choice((0, 1))])
    elif choice == 2:
        chunks.insert(n, list(rng.choice(chunks)))
    elif choice == 3:
        packed = zlib.compress(bytes(rng.choice((10, 10_000, 2_000_000))), 9)
        chunks.insert(1, list(rng.choice(((b"zTXt", b"k\0\0" + packed), (b"iCCP", b"k\0\0" + packed)))))
    elif choice == 4:
        chunks.insert(
            1, [rng.choice((b"eXIf", b"tRNS", b"PLTE", b"acTL", b"fcTL", b"pHYs")), rng.randbytes(12)]
        )
    else:
        chunks[n][1] = mutate_bytes(rng, chunks[n][1], seeds)
    whole = (
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )
    return _PNG + b"".join(whole)
