"""Mutations of what is packed: gzip streams, zip archives with arrays in them, and bombs of both."""

from __future__ import annotations

import gzip
import io
import struct
import warnings
import zipfile
from collections.abc import Sequence
from functools import cache
from random import Random

from . import SIZES
from .blobs import mutate_bytes

__all__ = ["mutate_gzip", "mutate_zip"]

_NAMES = (
    "",
    "../../up.npy",
    "/etc/passwd.npy",
    "a\0b.npy",
    "ß.npy",
    "0.weight",
    "__metadata__.npy",
    "x" * 300,
)
_DTYPES = ("|O", "<f8", ">f4", "<U9", "|V3", "<M8[s]", "<c16", "|S4", "<f16", "[('a','<f4')]", "|b1", "z")
# The fields of an entry of the directory, by their places, and of the header before its data.
_DIRECTORY = {8: "<H", 10: "<H", 16: "<I", 20: "<I", 24: "<I", 28: "<H", 30: "<H", 32: "<H", 42: "<I"}
_LOCAL = {6: "<H", 8: "<H", 14: "<I", 18: "<I", 22: "<I", 26: "<H", 28: "<H"}
_BOMB_BYTES = 10_000_000


def mutate_gzip(rng: Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    """What is packed changes, and is packed anew: whole, in two members, or with a bomb behind it."""
    content = gzip.decompress(data)
    changed = mutate_bytes(rng, content, [gzip.decompress(seed) for seed in seeds])
    choice = rng.randrange(8)
    if choice == 0:
        cut = rng.randrange(len(changed) + 1)
        return gzip.compress(changed[:cut], 1, mtime=0) + gzip.compress(changed[cut:], 1, mtime=0)
    if choice == 1:
        return gzip.compress(changed, 1, mtime=0) + rng.choice((b"\0" * 9, b"rubbish", data, data[:9]))
    packed = gzip.compress(changed, rng.choice((0, 1, 9)), mtime=0)
    return packed + _bomb() if choice == 2 and rng.random() < 0.05 else packed


@cache
def _bomb() -> bytes:
    return gzip.compress(bytes(_BOMB_BYTES), 1, mtime=0)


def mutate_zip(rng: Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    """Members come, go, change their names or their headers; the directory says what is not so."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    method = (
        zipfile.ZIP_LZMA if rng.random() < 0.01 else rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    )
    n, choice = rng.randrange(len(members)), rng.randrange(8)
    name, content = members[n]
    if choice == 0:
        members[n] = rng.choice(_NAMES), content
    elif choice == 1:
        members.append(members[n])
    elif choice == 2:
        members.insert(n, members.pop())
    elif choice == 3:
        members[n] = name, mutate_bytes(rng, content, [content])
    elif choice == 4 and rng.random() < 0.01:
        members[n], method = (name, content + bytes(_BOMB_BYTES)), zipfile.ZIP_DEFLATED
    elif choice < 7:
        members[n] = name, _other_header(rng, content)
    packed = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(packed, "w", method) as archive:
        warnings.simplefilter("ignore")  # a name that stands twice
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return _other_entry(rng, packed.getvalue()) if rng.random() < 0.5 else packed.getvalue()


def _other_header(rng: Random, content: bytes) -> bytes:
    """A .npy file whose header, of the right length, says another type or shape."""
    if content[:6] != b"\x93NUMPY":
        return content
    sizes = [rng.choice(SIZES) * rng.choice((1, 1, 1, -1)) for _ in range(rng.choice((0, 1, 2, 2, 3, 40)))]
    shape = rng.choice((f"({''.join(f'{size},' for size in sizes)})", "()", "(2.0,)", "None", "(" * 500))
    kind = rng.choice((*_DTYPES, "<f4", "<f4", "<f4", "<f4"))
    told = kind if kind.startswith("[") else repr(kind)
    header = f"{{'descr': {told}, 'fortran_order': {rng.choice(('False', 'True', '7'))}, 'shape': {shape}}}"
    version = rng.choice((1, 1, 1, 2, 3, 9))
    count = struct.pack("<H" if version == 1 else "<I", len(header) + 1)
    return b"\x93NUMPY" + bytes([version, 0]) + count + header.encode() + b"\n" + content[128:]


def _other_entry(rng: Random, data: bytes) -> bytes:
    """One field of the directory, or of the header of a member: sizes, method, flags, offset."""
    magic, fields = rng.choice(
        ((b"PK\x01\x02", _DIRECTORY), (b"PK\x01\x02", _DIRECTORY), (b"PK\x03\x04", _LOCAL))
    )
    places = [n for n in range(len(data) - 46) if data.startswith(magic, n)]
    if not places:
        return data
    offset, field = rng.choice(list(fields.items()))
    place, size = rng.choice(places) + offset, struct.calcsize(field)
    value = rng.choice((*SIZES, 1, 8, 12, 14, 99)) & ((1 << 8 * size) - 1)
    return data[:place] + struct.pack(field, value) + data[place + size :]
