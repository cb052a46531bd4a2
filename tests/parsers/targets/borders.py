"""Arrays of other libraries: headers that say anything, by ``__array_interface__`` and by DLPack.

A lender who says that its memory is longer than it is cannot be caught: NumPy, by which these arrays come,
takes sizes, strides and offsets on trust. So the headers here are true, or wrong in a way that can be seen:
negative sizes, products past 64 bits, types, devices and versions that there are not.
"""

from __future__ import annotations

import ctypes
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from convlet import functional
from dlpack_capsules import Device, Lender

from ..mutators.json_text import mutate_json
from ..target import Target

__all__ = ["TARGETS"]

_HEADER = {"shape": [1, 2, 3, 4], "typestr": "<f4", "version": 3, "strides": None}
_MEMORY_BYTES = 16 * 24  # for numbers of up to 16 bytes
_CAPSULE = {
    "major": 1,
    "said": [1, 0],
    "flags": 0,
    "dtype": [2, 32, 1],
    "ndim": 4,
    "device": [1, 0],
    "shape": [1, 2, 3, 4],
}
_LARGEST = 2**31 - 1
_MOST_DIMENSIONS = 64  # of an array of NumPy 2


class _Interface:
    """Twenty-four numbers whose header says what it likes; NumPy checks it against the buffer."""

    def __init__(self, header: dict[str, Any]) -> None:
        self.__array_interface__ = {
            **{name: tuple(value) if isinstance(value, list) else value for name, value in header.items()},
            "data": bytearray(np.arange(_MEMORY_BYTES // 4, dtype=np.float32).tobytes()),
        }


def _headers() -> list[bytes]:
    return [json.dumps(header).encode() for header in (_HEADER, {**_HEADER, "typestr": "|u1", "shape": [24]})]


def _use_interface(data: bytes, folder: Path) -> object:
    header = json.loads(data)
    if not isinstance(header, dict) or header.get("strides") is not None or "offset" in header:
        raise ValueError("no header, or one that NumPy takes on trust")
    sizes = header.get("shape") if isinstance(header.get("shape"), list) else []
    if (
        all(type(size) is int and size >= 0 for size in sizes)
        and _MEMORY_BYTES < 16 * math.prod(sizes) < 2**67
    ):
        raise ValueError("a shape that NumPy takes on trust")
    lent = _Interface(header)
    return functional.relu(lent)


def _capsules() -> list[bytes]:
    return [json.dumps({**_CAPSULE, "major": major}).encode() for major in (0, 1)]


def _use_capsule(data: bytes, folder: Path) -> object:
    said = json.loads(data)
    if not isinstance(said, dict) or not all(
        type(x) is int for key in said for x in np.ravel(said[key]).tolist()
    ):
        raise ValueError("no header of integers")
    said = {**_CAPSULE, **{name: value for name, value in said.items() if name in _CAPSULE}}
    sizes = [_signed(size) for size in np.ravel(said["shape"]).tolist()][:4]
    sizes += [1] * (4 - len(sizes))
    honest = _honest(sizes, _signed(said["ndim"], 32))
    kind, device, dtype = (
        list(map(_signed, np.ravel(said[name]).tolist())) for name in ("said", "device", "dtype")
    )
    if not honest or len(kind) != 2 or len(device) != 2 or len(dtype) != 3 or not np.size(said["flags"]):
        raise ValueError("a header that nobody can see through")
    array = np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4)
    code = dtype[0] & 0xFF, dtype[1] & 0xFF, dtype[2] & 0xFFFF
    if code[1] * code[2] > 32:
        raise ValueError("items that are longer than the memory")
    lender = Lender(
        array,
        int(said["major"] > 0) if isinstance(said["major"], int) else 1,
        (_signed(kind[0], 32), _signed(kind[1], 32)),
        0,
        code,
        destructor=False,  # one in Python loses the exception that is on its way
        ndim=_signed(said["ndim"], 32),
        device=Device(_signed(device[0], 32), _signed(device[1], 32)),
    )
    if lender.name == b"dltensor_versioned":
        lender.managed.major = said["major"] & _LARGEST
        lender.managed.flags = _signed(np.ravel(said["flags"]).tolist()[0]) & 0xFF
    lender.shape[:] = sizes
    return functional.relu(lender)


def _signed(value: int, bits: int = 64) -> int:
    """The number that a field of so many bits holds."""
    return ctypes.c_int64(value).value if bits == 64 else ctypes.c_int32(value).value


def _honest(sizes: list[int], ndim: int) -> bool:
    """Whether the header is true, or so wrong that it can be seen."""
    if not 0 <= ndim <= _MOST_DIMENSIONS:
        return True
    return ndim <= 4 and all(size <= given for size, given in zip(sizes[:ndim], (1, 2, 3, 4), strict=False))


_REFUSALS = (TypeError, ValueError, RecursionError)  # the last is json's own, of a text that the test reads

TARGETS = (
    Target("array-interface", _headers, _use_interface, _REFUSALS, (mutate_json,), 3, by_bytes=False),
    Target("dlpack", _capsules, _use_capsule, _REFUSALS, (mutate_json,), 2, by_bytes=False),
)
