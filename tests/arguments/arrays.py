"""What an argument that is an array may be, and what it must never be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from arguments.kinds import Kind, Opaque


class BrokenArray:
    """Says that it is an array, and fails to give it."""

    dtype, shape, ndim = np.dtype("f4"), (2, 2), 2

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise RuntimeError("no memory behind this array")


def not_real(right: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Arrays of the shape of `right` that hold no real numbers, and what is no array at all."""
    shape = right.shape
    ones = np.ones(shape)
    pairs = np.zeros(shape, [("a", "f4"), ("b", "f4")])
    return {
        "complex64": ones.astype("c8"),
        "complex128": ones.astype("c16"),
        "objects": ones.astype(object),
        "objects that are None": np.full(shape, None, object),
        "booleans": ones > 0,
        "strings": ones.astype("U3"),
        "byte strings": ones.astype("S3"),
        "dates": ones.astype("M8[s]"),
        "time spans": ones.astype("m8[s]"),
        "records": pairs,
        "raw bytes": np.zeros(shape, "V4"),
        "masked numbers": np.ma.masked_array(right, mask=np.ones(shape, bool)),
        "masked numbers without a mask": np.ma.masked_array(right),
        "integers past 64 bits": np.full(shape, 2**70, object).tolist(),
        "ragged lists": [[1.0], [1.0, 2.0]],
        "None in lists": [[1.0], [None]],
        "None": None,
        "a word": "array",
        "bytes": b"array",
        "a dict": {"x": ones},
        "a set": {1.0},
        "a generator": (n for n in (1.0, 2.0)),
        "an object": Opaque(),
        "a class": np.ndarray,
        "an array that fails": BrokenArray(),
    }


@dataclass(frozen=True)
class Reals(Kind):
    """An array of real numbers whose shape counts: every axis but those in `free` has its size."""

    free: Sequence[int] = ()
    any_shape: bool = False

    def values(self) -> dict[str, Any]:
        return {**not_real(self.right), **({} if self.any_shape else self.shapes())}

    def shapes(self) -> dict[str, Any]:
        """Right numbers in a wrong shape."""
        right = self.right
        found: dict[str, Any] = {
            "an axis more": right[..., np.newaxis],
            "an axis more in front": right[np.newaxis],
            "40 axes": right.reshape((1,) * (40 - right.ndim) + right.shape),
        }
        if right.ndim:
            found |= {"an axis less": right[0], "a number": np.float32(1), "a plain number": 1.5}
        for axis in range(right.ndim):
            if axis in self.free:
                continue
            found[f"nothing along axis {axis}"] = right.take([], axis)
            found[f"one more along axis {axis}"] = right.take([0, *range(right.shape[axis])], axis)
        return found


@dataclass(frozen=True)
class Images(Reals):
    """Images for a net: uint8 or floating-point numbers."""

    def values(self) -> dict[str, Any]:
        integers = {kind: np.ones(self.right.shape, kind) for kind in ("i1", "u2", "i4", "i8", "u8")}
        return {**super().values(), **{f"integers of type {kind}": array for kind, array in integers.items()}}


@dataclass(frozen=True)
class Bytes(Reals):
    """Images of uint8."""

    def values(self) -> dict[str, Any]:
        others = {kind: self.right.astype(kind) for kind in ("i1", "u2", "i8", "f2", "f4", "f8")}
        return {**super().values(), **{f"numbers of type {kind}": array for kind, array in others.items()}}


@dataclass(frozen=True)
class Classes(Reals):
    """Class indices below `count`."""

    count: int | None = None

    def values(self) -> dict[str, Any]:
        floats = {
            "floats": self.right.astype("f4"),
            "NaN": np.full(self.right.shape, np.nan),
            "a number too few": self.right[:-1],
        }
        return {**not_real(self.right), **self.shapes(), **floats, **self.outside()}

    def outside(self) -> dict[str, Any]:
        """Classes that there are not."""
        if self.count is None:
            return {}
        found = {}
        for name, value in {
            "one too large": self.count,
            "minus 1": -1,
            "2**31": 2**31,
            "minus 2**63": -(2**63),
            "2**63 - 1": 2**63 - 1,
        }.items():
            found[f"a class of {name}"] = np.concatenate([self.right[:-1], [value]]).astype(np.int64)
        found["an unsigned class of 2**64 - 1"] = np.full(self.right.shape, 2**64 - 1, np.uint64)
        return found


@dataclass(frozen=True)
class InPlace(Kind):
    """A float32 array that is written into."""

    def values(self) -> dict[str, Any]:
        frozen = self.right.copy()
        frozen.flags.writeable = False
        spread = np.repeat(self.right, 2, axis=-1)[..., ::2]
        raw = np.zeros(self.right.nbytes + 1, np.uint8)
        return {
            "read-only": frozen,
            "with gaps": spread,
            "not aligned": raw[1:].view("f4").reshape(self.right.shape),
            "all at one place": np.broadcast_to(np.float32(1), self.right.shape),
            "float64": self.right.astype("f8"),
            "float16": self.right.astype("f2"),
            "integers": self.right.astype("i4"),
            "of another byte order": self.right.astype(">f4"),
            "in Fortran's order": np.asfortranarray(self.right),
            "a list": self.right.tolist(),
            "a number": 1.0,
            **{n: v for n, v in not_real(self.right).items() if n != "masked numbers without a mask"},
            "masked numbers without a mask": np.ma.masked_array(self.right.copy()),
        }
