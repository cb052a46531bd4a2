"""IDX, the format of MNIST and its heirs: arrays with a header of a few bytes, often in gzip.

Two zero bytes, a byte for the type, a byte for the number of dimensions, each dimension as a big-endian
``uint32``, then the items, big-endian, in C order. Source: https://yann.lecun.org/exdb/mnist/, "The IDX file
format".
"""

from __future__ import annotations

import gzip
import math
import os
import struct
import zlib
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt

from .._arrays import as_array
from .._files import LARGEST_RATIO, write_atomically

__all__ = ["read_idx", "unpacked", "write_idx"]

_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_CODES = {np.dtype(kind).newbyteorder("="): code for code, kind in _TYPES.items()}
_NAMES = ", ".join(str(dtype) for dtype in _CODES)

_GZIP = b"\x1f\x8b"
_CHUNK_BYTES = 1 << 20


def read_idx(path: str | os.PathLike[str]) -> npt.NDArray[Any]:
    """Read the array in an IDX file, plain or in gzip (told apart by the first bytes, not by the name).

    Memory is taken for the bytes that the file holds, never for those that its header promises.

    Returns:
        A new array of the file's shape and type, in the machine's byte order.

    Raises:
        OSError: the file cannot be opened or read.
        ValueError: it is no IDX file, or truncated, or corrupt, or goes on behind its last item; the message
            names the file, what is wrong, and how many bytes were expected and found.
    """
    try:
        with Path(path).open("rb") as file:
            file_bytes = os.fstat(file.fileno()).st_size
            content = unpacked(file)
            if content is file:
                return _parse(file, file_bytes, f"{file_bytes}")
            most_bytes = file_bytes * LARGEST_RATIO
            return _parse(content, most_bytes, f"at most {most_bytes} in {file_bytes} of gzip")
    except EOFError as error:
        raise ValueError(f"{os.fspath(path)}: truncated gzip data: its checksum is missing") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{os.fspath(path)}: corrupt gzip data: {error}") from error
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)}: {error}") from error


def unpacked(file: BinaryIO) -> BinaryIO:
    """What is in ``file``: the file itself, or the stream that it holds in gzip."""
    packed = file.read(len(_GZIP)) == _GZIP
    file.seek(0)
    return cast(BinaryIO, gzip.GzipFile(fileobj=file)) if packed else file


def write_idx(path: str | os.PathLike[str], array: npt.ArrayLike) -> None:
    """Write ``array`` as an IDX file, in gzip if the name ends in ``.gz``.

    A reader sees the previous file or the whole new one; equal arrays give equal bytes.

    Args:
        path: the file, replaced if it is there.
        array: ``uint8``, ``int8``, ``int16``, ``int32``, ``float32`` or ``float64``, of any shape, strides
            and byte order.

    Raises:
        OSError: the file cannot be written.
        TypeError: the format has no such type.
        ValueError: a dimension of 2**32 or more.
    """
    items = as_array("write_idx", "array", array)
    code = _CODES.get(items.dtype.newbyteorder("="))
    if code is None:
        raise TypeError(f"write_idx: expected an array of {_NAMES}, got {items.dtype}")
    if max(items.shape, default=0) >= 2**32:
        raise ValueError(f"write_idx: expected dimensions below 2**32, got shape {items.shape}")
    header = struct.pack(f">HBB{items.ndim}I", 0, code, items.ndim, *items.shape)
    data = header + items.astype(_TYPES[code], order="C").tobytes()
    packed = os.fspath(path).endswith(".gz")
    write_atomically(path, gzip.compress(data, 6, mtime=0) if packed else data)


def _parse(file: BinaryIO, most_bytes: int, told: str) -> npt.NDArray[Any]:
    """The array in a stream that cannot hold more than ``most_bytes``, ``told`` in words."""
    start = _read(file, 4)
    if len(start) < 4:
        raise ValueError(f"truncated header: expected at least 4 bytes, got {len(start)}")
    if start[:2] != b"\0\0" or start[2] not in _TYPES:
        raise ValueError(f"no IDX file: expected two zero bytes and a known type, got {bytes(start[:3])!r}")
    dimensions = start[3]
    sizes = _read(file, 4 * dimensions)
    header_bytes = 4 + 4 * dimensions
    if len(sizes) < 4 * dimensions:
        raise ValueError(f"truncated header: expected {header_bytes} bytes, got {4 + len(sizes)}")
    shape = struct.unpack(f">{dimensions}I", sizes)
    dtype = np.dtype(_TYPES[start[2]])
    data_bytes = math.prod(shape) * dtype.itemsize
    expected = f"expected {header_bytes + data_bytes} bytes for shape {shape} of {dtype.newbyteorder('=')}"
    if header_bytes + data_bytes > most_bytes:
        raise ValueError(f"truncated, or a corrupt header: {expected}, got {told}")
    data = _read(file, data_bytes)
    if len(data) < data_bytes:
        raise ValueError(f"truncated: {expected}, got {header_bytes + len(data)}")
    if file.read(1):  # which also checks the sum at the end of gzip data
        raise ValueError(f"data behind the last item: {expected}, got more")
    try:
        array: npt.NDArray[Any] = np.ndarray(shape, dtype, data)
    except ValueError as error:  # too many dimensions, or a product past int64 beside a zero
        raise ValueError(f"no array has shape {shape}: {error}") from error
    return array.astype(dtype.newbyteorder("="), copy=False)


def _read(file: BinaryIO, wanted_bytes: int) -> bytearray:
    """As many of ``wanted_bytes`` as there are, also from a gzip stream that is cut off."""
    data = bytearray()
    while len(data) < wanted_bytes:
        try:
            chunk = file.read1(min(_CHUNK_BYTES, wanted_bytes - len(data)))  # type: ignore[attr-defined]
        except EOFError:
            break
        if not chunk:
            break
        data += chunk
    return data
