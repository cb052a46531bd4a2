"""IDX files: what is written is read, and what is damaged is refused by name."""

from __future__ import annotations

import gzip
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from convlet.datasets import read_idx, write_idx

TYPES = ["uint8", "int8", "int16", "int32", "float32", "float64"]
SUFFIXES = ["", ".gz"]


@pytest.fixture(params=SUFFIXES, ids=["plain", "gzip"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / f"array-idx{request.param}"


def store(path: Path, content: bytes) -> None:
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", [(), (0,), (7,), (3, 0, 2), (2, 3, 4), (1, 1, 2, 1, 2)])
def test_array_comes_back_as_it_was_written(path, dtype, shape):
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    write_idx(path, array)
    got = read_idx(path)
    assert (got.dtype, got.shape) == (array.dtype, array.shape)
    assert got.dtype.isnative
    assert got.flags.c_contiguous
    assert got.flags.writeable
    np.testing.assert_array_equal(got, array)


@given(
    st.sampled_from(TYPES).flatmap(lambda t: arrays.arrays(t, arrays.array_shapes(max_dims=5, max_side=4)))
)
def test_every_bit_comes_back(tmp_path_factory, array):
    path = tmp_path_factory.mktemp("bits") / "array.gz"
    write_idx(path, array)
    assert read_idx(path).tobytes() == array.tobytes()


def test_bytes_are_those_of_the_format(tmp_path):
    write_idx(tmp_path / "a", np.array([[1, -2, 300]], np.int16))
    assert (tmp_path / "a").read_bytes() == bytes.fromhex("00000b02 00000001 00000003 0001 fffe 012c")


@pytest.mark.parametrize(
    "change",
    [np.asfortranarray, lambda a: a[::-1, ::2], lambda a: a.astype(">i4"), lambda a: a.T],
    ids=["Fortran", "strided", "big-endian", "transposed"],
)
def test_any_layout_and_byte_order_is_written_in_c_order(tmp_path, change):
    array = change(np.arange(24, dtype=np.int32).reshape(4, 6))
    write_idx(tmp_path / "a", array)
    np.testing.assert_array_equal(read_idx(tmp_path / "a"), array)


def test_equal_arrays_give_equal_files(path):
    write_idx(path, np.arange(9, dtype=np.uint8))
    before = path.read_bytes()
    write_idx(path, np.arange(9, dtype=np.uint8))
    assert path.read_bytes() == before


def test_gzip_is_known_by_content_not_by_name(tmp_path):
    array = np.arange(5, dtype=np.uint8)
    write_idx(tmp_path / "a.gz", array)
    write_idx(tmp_path / "b", array)
    (tmp_path / "a.gz").rename(tmp_path / "packed")
    (tmp_path / "b").rename(tmp_path / "plain.gz")
    np.testing.assert_array_equal(read_idx(tmp_path / "packed"), array)
    np.testing.assert_array_equal(read_idx(tmp_path / "plain.gz"), array)


def test_gzip_of_several_members_is_read_whole(tmp_path):
    content = b"\0\0\x08\x01" + struct.pack(">I", 6) + bytes(range(6))
    (tmp_path / "a").write_bytes(gzip.compress(content[:10]) + gzip.compress(content[10:]))
    assert read_idx(tmp_path / "a").tolist() == list(range(6))


def refused(path: Path, *words: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        read_idx(path)
    for word in (str(path), *words):
        assert word in str(caught.value)


WHOLE = b"\0\0\x08\x02" + struct.pack(">II", 3, 4) + bytes(12)


@pytest.mark.parametrize("kept", range(len(WHOLE)))
def test_file_cut_off_anywhere_names_expected_and_got_bytes(path, kept):
    store(path, WHOLE[:kept])
    expected = 4 if kept < 4 else 12 if kept < 12 else 24
    at_least = "at least " if kept < 4 else ""
    refused(path, "truncated", f"expected {at_least}{expected} bytes", f"got {kept}")


def test_gzip_cut_off_anywhere_is_refused(tmp_path, rng):
    array = rng.integers(0, 256, (40, 5), np.uint8)
    write_idx(tmp_path / "a.gz", array)
    content = (tmp_path / "a.gz").read_bytes()
    for kept in range(len(content)):
        (tmp_path / "a.gz").write_bytes(content[:kept])
        refused(tmp_path / "a.gz", "truncated")


def test_gzip_with_a_changed_byte_is_refused(tmp_path, rng):
    array = rng.integers(0, 256, (40, 5), np.uint8)
    write_idx(tmp_path / "a.gz", array)
    content = (tmp_path / "a.gz").read_bytes()
    for place in range(10, len(content)):  # before is gzip's own header, most of which is of no use
        (tmp_path / "a.gz").write_bytes(
            content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :]
        )
        refused(tmp_path / "a.gz")


def test_bytes_behind_the_last_item_are_refused(path):
    store(path, WHOLE + b"\0")
    refused(path, "behind the last item", "expected 24 bytes")


def test_rubbish_behind_gzip_data_is_refused(tmp_path):
    (tmp_path / "a").write_bytes(gzip.compress(WHOLE) + b"rubbish")
    refused(tmp_path / "a", "corrupt gzip")


@pytest.mark.parametrize(
    "content", [b"<html>not found</html>", b"\0\0\x0a\x01\0\0\0\0", b"\x89PNG\r\n\x1a\n"]
)
def test_file_of_another_kind_is_refused(path, content):
    store(path, content)
    refused(path, "no IDX file", repr(content[:3]))


@pytest.mark.parametrize("shape", [(2**32 - 1,) * 3, (2**31, 2**10), (0, 2**32 - 1, 2**32 - 1, 2**32 - 1)])
def test_header_that_promises_too_much_is_refused_without_memory(path, shape):
    store(path, struct.pack(f">HBB{len(shape)}I", 0, 0x0E, len(shape), *shape) + bytes(1000))
    tracemalloc.start()
    refused(path)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 2_000_000


def test_gzip_data_that_never_end_are_not_unpacked_past_the_promise(tmp_path):
    bomb = gzip.compress(b"\0\0\x08\x01" + struct.pack(">I", 1000) + bytes(100_000_000), 1)
    (tmp_path / "a").write_bytes(bomb)
    tracemalloc.start()
    refused(tmp_path / "a", "behind the last item")
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 5_000_000


def test_more_dimensions_than_an_array_can_have_are_refused(path):
    store(path, struct.pack(">HBB255I", 0, 8, 255, *[1] * 255) + b"\0")
    refused(path, "shape")


@pytest.mark.parametrize("dtype", ["bool", "int64", "uint16", "float16", "complex64", "object", "U3"])
def test_type_without_a_code_is_refused(tmp_path, dtype):
    with pytest.raises(TypeError, match=r"write_idx: expected an array of uint8, int8, .* got"):
        write_idx(tmp_path / "a", np.zeros(2, dtype))
    assert list(tmp_path.iterdir()) == []


def test_missing_file_and_missing_folder_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_idx(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        write_idx(tmp_path / "nowhere" / "a", np.zeros(2, np.uint8))


def test_write_replaces_at_once_and_leaves_nothing_beside(path):
    write_idx(path, np.zeros(3, np.uint8))
    write_idx(path, np.ones(2, np.uint8))
    assert read_idx(path).tolist() == [1, 1]
    assert list(path.parent.iterdir()) == [path]
