"""Files that are written whole or not at all, and read with suspicion."""

from __future__ import annotations

import io
import json
import os
import signal
import struct
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from convlet import checkpoint

TENSORS = {
    "0.weight": np.arange(150, dtype=np.float32).reshape(6, 1, 5, 5),
    "0.bias": np.linspace(-1, 1, 6, dtype=np.float32),
    "scalar": np.array(3, np.int64),
    "empty": np.zeros((0, 4), np.float32),
}
METADATA = {"format": "test", "note": 'quotes " and ünïcode'}


def equal(left: dict[str, np.ndarray], right: dict[str, np.ndarray]) -> bool:
    return left.keys() == right.keys() and all(
        left[name].dtype == right[name].dtype and np.array_equal(left[name], right[name]) for name in left
    )


def safetensors_bytes(header: str | bytes, payload: bytes = b"") -> bytes:
    encoded = header.encode() if isinstance(header, str) else header
    return struct.pack("<Q", len(encoded)) + encoded + payload


@pytest.mark.parametrize("name", ["w.safetensors", "w.npz"])
def test_weights_and_metadata_come_back_as_they_were(tmp_path: Path, name: str) -> None:
    checkpoint.save_weights(tmp_path / name, TENSORS, METADATA)
    tensors, metadata = checkpoint.load_weights(tmp_path / name)
    assert equal(tensors, TENSORS)
    assert metadata == METADATA
    tensors["0.weight"][...] = 0  # what was loaded belongs to the caller
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["w.safetensors", "w.npz"])
def test_equal_content_gives_equal_bytes_and_the_order_of_the_names(tmp_path: Path, name: str) -> None:
    metadata = {key: key.upper() for key in "qwertzuiop"}
    contents = []
    for _ in range(5):
        checkpoint.save_weights(tmp_path / name, TENSORS, metadata)
        contents.append((tmp_path / name).read_bytes())
        assert list(checkpoint.load_weights(tmp_path / name)[0]) == list(
            checkpoint.load_weights(tmp_path / name)[0]
        )
    assert len(set(contents)) == 1


def test_other_strides_and_byte_orders_are_written_in_c_order(tmp_path: Path) -> None:
    square = np.arange(16, dtype=np.float32).reshape(4, 4)
    given = {"t": square.T, "f": np.asfortranarray(square), "r": square[::-2], "b": square.astype(">f4")}
    checkpoint.save_weights(tmp_path / "w", given)
    tensors, metadata = checkpoint.load_weights(tmp_path / "w")
    assert metadata == {}
    for name, array in given.items():
        np.testing.assert_array_equal(tensors[name], array)


def test_safetensors_own_reader_reads_the_file(tmp_path: Path) -> None:
    numpy_reader = pytest.importorskip("safetensors.numpy")
    checkpoint.save_weights(tmp_path / "w", TENSORS, METADATA)
    assert equal(numpy_reader.load_file(tmp_path / "w"), TENSORS)


def test_the_name_of_the_metadata_is_no_name_for_a_tensor(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="__metadata__"):
        checkpoint.save_weights(tmp_path / "w", {"__metadata__": np.ones(2)})


@pytest.mark.parametrize("bad", [np.array([object()]), np.array(["text"]), np.zeros(2, np.complex64)])
def test_arrays_that_are_no_real_numbers_are_refused(tmp_path: Path, bad: np.ndarray) -> None:
    with pytest.raises(TypeError, match="expected real numbers in 'x', got"):
        checkpoint.save_weights(tmp_path / "w", {"x": bad})
    assert not any(tmp_path.iterdir())


GOOD_HEADER = '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'


@pytest.mark.parametrize(
    "content, says",
    [
        (b"", "got 0 bytes"),
        (b"\x01\x02", "got 2 bytes"),
        (b"this is no file of tensors at all", "whole safetensors file"),
        (struct.pack("<Q", 2**63) + b"{}", "header claims 9223372036854775808"),
        (struct.pack("<Q", 50) + b"{}", "whole safetensors file"),
        (safetensors_bytes("{not json"), "header in JSON"),
        (safetensors_bytes(b"\xff\xfe{}"), "header in JSON"),
        (safetensors_bytes("[" * 100_000), "header in JSON"),
        (safetensors_bytes("[1, 2]"), "JSON of another form"),
        (safetensors_bytes('{"__metadata__": 3}'), "JSON of another form"),
        (safetensors_bytes('{"__metadata__": {"a": 3}}'), "not a valid safetensors file"),
        (safetensors_bytes(GOOD_HEADER, bytes(7)), "not a valid safetensors file"),
        (safetensors_bytes(GOOD_HEADER, bytes(9)), "not a valid safetensors file"),
        (safetensors_bytes(GOOD_HEADER.replace("[2]", "[3]"), bytes(8)), "not a valid safetensors file"),
        (safetensors_bytes(GOOD_HEADER.replace("F32", "F33"), bytes(8)), "not a valid safetensors file"),
        (safetensors_bytes(GOOD_HEADER[:-1] + "," + GOOD_HEADER[1:], bytes(8)), "'a' stands twice"),
        (b"PK\x03\x04 but no archive", "not a valid .npz file"),
    ],
)
def test_a_corrupt_file_is_a_value_error_that_names_it(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=says) as caught:
        checkpoint.load_weights(path)
    assert str(path) in str(caught.value)


def test_every_truncation_of_a_file_is_refused(tmp_path: Path) -> None:
    for name in ("w.safetensors", "w.npz"):
        checkpoint.save_weights(tmp_path / name, {"x": np.arange(4.0)}, METADATA)
        whole = (tmp_path / name).read_bytes()
        for length in range(0, len(whole), 7):
            (tmp_path / name).write_bytes(whole[:length])
            with pytest.raises(ValueError, match=name):
                checkpoint.load_weights(tmp_path / name)


def test_npz_with_a_pickle_or_a_name_that_stands_twice_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "pickle.npz", x=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ValueError, match="not a valid .npz file"):
        checkpoint.load_weights(tmp_path / "pickle.npz")
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(2))
    with zipfile.ZipFile(tmp_path / "twice.npz", "w") as file:
        file.writestr("x.npy", buffer.getvalue())
        with pytest.warns(UserWarning, match="Duplicate name"):
            file.writestr("x.npy", buffer.getvalue())
    with pytest.raises(ValueError, match="stands twice"):
        checkpoint.load_weights(tmp_path / "twice.npz")


def test_a_missing_file_is_a_file_not_found_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        checkpoint.load_weights(tmp_path / "nowhere")


@pytest.mark.parametrize("failing", ["open", "fsync", "replace"])
def test_a_full_disk_leaves_the_previous_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    path = tmp_path / "weights.safetensors"
    checkpoint.save_weights(path, TENSORS, METADATA)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path if failing == "open" else os, failing, full)
    with pytest.raises(OSError, match=r"cannot write .*weights.safetensors: No space left on device"):
        checkpoint.save_weights(path, {"other": np.ones(3)})
    monkeypatch.undo()
    assert equal(checkpoint.load_weights(path)[0], TENSORS)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_ctrl_c_while_saving_leaves_the_previous_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "weights.safetensors"
    checkpoint.save_weights(path, TENSORS)

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save_weights(path, {"other": np.ones(3)})
    assert equal(checkpoint.load_weights(path)[0], TENSORS)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_link_keeps_pointing_where_it_did(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "store" / "real")
    checkpoint.save_weights(tmp_path / "link", TENSORS)
    assert (tmp_path / "link").is_symlink()
    assert equal(checkpoint.load_weights(tmp_path / "store" / "real")[0], TENSORS)


def test_a_folder_that_is_missing_is_told_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"cannot write .*gone.w: No such file or directory"):
        checkpoint.save_weights(tmp_path / "gone" / "w", TENSORS)


WRITER = """
import sys, numpy as np
from convlet import checkpoint
for round in range(10**9):
    checkpoint.save_weights(sys.argv[1], {"x": np.full(20_000, round, np.float32)}, {"round": str(round)})
    if round == 0:
        print("ready", flush=True)
"""


def test_kill_9_while_saving_leaves_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    for delay in (0.0, 0.004, 0.011):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"ready\n"
            time.sleep(delay)
            os.kill(writer.pid, signal.SIGKILL)
        tensors, metadata = checkpoint.load_weights(path)
        assert np.all(tensors["x"] == float(metadata["round"]))


def test_metadata_is_readable_by_anyone_who_knows_json(tmp_path: Path) -> None:
    checkpoint.save_weights(tmp_path / "w", TENSORS, METADATA)
    data = (tmp_path / "w").read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    assert json.loads(data[8 : 8 + length])["__metadata__"] == METADATA
