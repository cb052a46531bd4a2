"""Headers that promise terabytes are refused in a sentence, and no memory is taken for them."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from convlet import checkpoint, datasets, nn
from convlet._files import weights_to_bytes
from parsers.targets.weights import small_net
from parsers.trial import spare_memory

_MOST_BYTES = 3_000_000


def _npy(shape: str, kind: str = "<f4") -> bytes:
    header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}}}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header


def _npz(content: bytes, claimed: int | None = None, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """An archive of one array; its directory may claim another size."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        archive.writestr("0.weight.npy", content)
    data = packed.getvalue()
    entry = data.index(b"PK\x01\x02")
    return data if claimed is None else data[: entry + 24] + struct.pack("<I", claimed) + data[entry + 28 :]


def _safetensors(header: object) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(16)


def _net(**changes: object) -> bytes:
    """A file of a small net whose description is another one's."""
    saved = checkpoint.SavedNet(small_net(), (1, 6, 6), ("a", "b", "c"))
    notes = {**checkpoint.describe(saved), **{name: json.dumps(value) for name, value in changes.items()}}
    return weights_to_bytes(saved.net.state_dict(), {**notes, "format": "convlet net", "version": "1"})


def _png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(1000)))
        + chunk(b"IEND", b"")
    )


_IDX = b"\0\0\x0e\x03" + struct.pack(">III", 2**31, 2**20, 7)
PROMISES: dict[str, tuple[bytes, Callable[[Path], object]]] = {
    "idx": (_IDX + bytes(100), datasets.read_idx),
    "gzipped idx": (gzip.compress(_IDX + bytes(100)), datasets.read_idx),
    "header of safetensors": (struct.pack("<Q", 2**42) + b"{}", checkpoint.load_weights),
    "tensor of safetensors": (
        _safetensors({"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}),
        checkpoint.load_weights,
    ),
    "npz": (_npz(_npy("(1099511627776,)")), checkpoint.load_weights),
    "npz whose directory agrees": (
        _npz(_npy("(1000000000,)") + bytes(100), 4_000_000_060),
        checkpoint.load_weights,
    ),
    "npz of objects": (_npz(_npy("(3,)", "|O") + bytes(24)), checkpoint.load_weights),
    "npz of a bomb": (_npz(_npy("(4,)") + bytes(50_000_000)), checkpoint.load_weights),
    "layer": (
        _net(net=[{"name": "0", "kind": "linear", "in_features": 2**30, "out_features": 2**29}]),
        checkpoint.load_net,
    ),
    "image": (_net(input_shape=[1, 2**30, 2**30]), checkpoint.load_net),
    "picture": (_png(65535, 65535), datasets.read_image),
    "picture below the limit": (_png(8000, 8000), datasets.read_image),
}


@pytest.mark.parametrize("what", PROMISES)
def test_promise_of_terabytes_is_refused_without_memory(what: str, tmp_path: Path) -> None:
    data, parse = PROMISES[what]
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(ValueError, match="file"):  # loads what is loaded at first use
        parse(tmp_path / "file")
    tracemalloc.start()
    with spare_memory(64 << 20), pytest.raises(ValueError, match=r".") as caught:
        parse(tmp_path / "file")
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert str(caught.value).startswith(f"{tmp_path / 'file'}: ")
    assert peak_bytes < _MOST_BYTES + len(data)


def test_chunk_of_a_picture_that_claims_gigabytes_takes_no_memory(tmp_path: Path) -> None:
    data = _png(4, 4)
    datasets.read_image(_written(tmp_path / "whole.png", data))
    place = data.index(b"IDAT") - 4
    lying = _written(tmp_path / "lying.png", data[:place] + struct.pack(">I", 0xFFFF0047) + data[place + 4 :])
    with (
        spare_memory(64 << 20),
        contextlib.suppress(ValueError),
    ):  # Pillow takes it where the data are all there
        assert datasets.read_image(lying).shape == (1, 4, 4)


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_net_described_in_a_file_of_a_few_bytes_takes_memory_only_when_it_is_used() -> None:
    text = json.dumps(
        [{"name": "0", "kind": "linear", "in_features": 2**30, "out_features": 2**20, "bias": True}]
    )
    with spare_memory(64 << 20):
        net = checkpoint.net_from_json(text)
        assert net.parameter_count == 2**50 + 2**20
        with pytest.raises(MemoryError):
            net[0].weight  # noqa: B018


def test_toml_that_describes_a_large_net_takes_no_memory() -> None:
    from convlet.models import net_from_toml

    with spare_memory(64 << 20):
        net = net_from_toml(
            '[[layers]]\nkind = "Flatten"\n[[layers]]\nkind = "Linear"\nout_features = 10', (1, 30000, 30000)
        )
    assert isinstance(net, nn.Sequential)
    assert net.parameter_count == 10 * (30000 * 30000 + 1)


def test_honest_npz_of_every_layout_still_comes_back(tmp_path: Path) -> None:
    arrays = {
        "c": np.arange(6, dtype=np.float32).reshape(2, 3),
        "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "big-endian": np.arange(3, dtype=">i4"),
        "none": np.zeros((0, 3), np.float16),
        "one": np.array(7, np.uint8),
    }
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "a.npz", **arrays)
        tensors, _ = checkpoint.load_weights(tmp_path / "a.npz")
        assert list(tensors) == list(arrays)
        for name, array in arrays.items():
            np.testing.assert_array_equal(tensors[name], array)
            assert tensors[name].dtype == array.dtype
            assert tensors[name].flags.writeable
