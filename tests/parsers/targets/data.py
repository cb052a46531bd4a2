"""IDX files, and the folders of data sets that they lie in."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np

from convlet import datasets

from ..mutators.archives import mutate_gzip
from ..mutators.blobs import patch_integer
from ..target import Target

__all__ = ["TARGETS"]

_CODES = {"u1": 8, "i1": 9, ">i2": 11, ">i4": 12, ">f4": 13, ">f8": 14}
_IMAGES, _LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


def _idx(array: np.ndarray) -> bytes:
    return struct.pack(
        f">HBB{array.ndim}I", 0, _CODES[array.dtype.str.lstrip("|")], array.ndim, *array.shape
    ) + (array.tobytes())


def _plain() -> list[bytes]:
    arrays = [np.arange(24).reshape(2, 3, 4).astype(kind) for kind in _CODES]
    return [
        _idx(array)
        for array in (*arrays, np.uint8(3)[...], np.zeros((0, 5), "u1"), np.arange(40, dtype="u1"))
    ]


def _packed() -> list[bytes]:
    return [gzip.compress(data, 6, mtime=0) for data in _plain()]


def _read_idx(data: bytes, folder: Path) -> object:
    (folder / "array-idx").write_bytes(data)
    return datasets.read_idx(folder / "array-idx")


def _images() -> list[bytes]:
    """Images and labels behind each other; the parser knows where the first end."""
    images, labels = _idx(np.arange(784 * 2).reshape(2, 28, 28).astype("u1")), _idx(np.array([3, 9], "u1"))
    return [struct.pack(">I", len(a)) + a + b for a, b in ((images, labels), (gzip.compress(images), labels))]


def _load_folder(data: bytes, folder: Path) -> object:
    count = struct.unpack(">I", data[:4])[0] if len(data) >= 4 else 0
    (folder / _IMAGES).write_bytes(data[4 : 4 + count])
    (folder / _LABELS).write_bytes(data[4 + count :])
    return datasets.load("mnist", False, folder)


TARGETS = (
    Target("idx", _plain, _read_idx, mutators=(patch_integer,), share=8, file="array-idx"),
    Target(
        "idx-gzip",
        _packed,
        _read_idx,
        mutators=(mutate_gzip, mutate_gzip, patch_integer),
        share=4,
        file="array-idx",
    ),
    Target("data-folder", _images, _load_folder, mutators=(patch_integer,), share=1, file="t10k-"),
)
