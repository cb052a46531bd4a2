"""Files on disk: written at once or not at all, and read with suspicion."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import lzma
import math
import os
import re
import secrets
import struct
import time
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from ._arrays import texts

__all__ = [
    "LARGEST_RATIO",
    "check_folder",
    "load_weights",
    "save_weights",
    "weights_from_bytes",
    "weights_to_bytes",
    "write_atomically",
]

_MAX_HEADER_BYTES = 100_000_000  # the reference reader's own limit
_METADATA = "__metadata__"  # safetensors' name for it, and ours in .npz
# A folder on some network file systems cannot be synchronised, nor one that may be written to but not read;
# the file in it is whole all the same.
_NO_FOLDER_SYNC = (errno.EACCES, errno.EINVAL, errno.ENOTSUP)
_TEMPORARY = re.compile(r"\.[0-9a-f]{12}\.convlet\.tmp")
_ABANDONED_SECONDS = 3600.0  # no file takes as long to write
_PROBE_BYTES = 4096  # what any file takes on the disk: an empty one fits on a full disk too

# Whatever zipfile, the unpackers and NumPy raise over bytes that are no such file, or an encrypted one.
_NOT_NPZ = (
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RecursionError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)

LARGEST_RATIO = 1032
"""Of deflate: at best two bits stand for 258 bytes."""

Tensors = dict[str, np.ndarray[Any, np.dtype[Any]]]


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Replace the file ``path`` by ``data``: a reader sees the old content or the new, never a part.

    The bytes go to a temporary file in the same folder, to the disk, and then under the name, and the
    folder's entry to the disk as well. Whatever fails, the previous file stays and the temporary one
    goes; the ``OSError`` says in one sentence what could not be written and why. Only a process that is
    killed leaves its temporary file, ``.<12 hexadecimal digits>.convlet.tmp``, which :func:`check_folder`
    removes.
    """
    target = Path(os.path.realpath(path))  # a link keeps pointing where it did
    temporary = _temporary(target.parent)
    try:
        with _removed_on_error(temporary):
            _write_new(temporary, data)
            temporary.replace(target)
        _sync_folder(target.parent)
    except OSError as error:
        raise _cannot("write", path, error) from error


def check_folder(folder: str | os.PathLike[str]) -> None:
    """Make ``folder`` if need be, and prove that a file can be written there (else ``OSError``).

    Temporary files of :func:`write_atomically` that are an hour old, whose process must be dead, go.
    """
    probe = _temporary(Path(folder))
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with _removed_on_error(probe):
            _write_new(probe, bytes(_PROBE_BYTES))
            probe.unlink()
        _remove_abandoned(Path(folder))
    except OSError as error:
        raise _cannot("write to", folder, error) from error


def _temporary(folder: Path) -> Path:
    return folder / f".{secrets.token_hex(6)}.convlet.tmp"


def _write_new(path: Path, data: bytes) -> None:
    """A new file that has reached the disk."""
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def _removed_on_error(path: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            path.unlink()
        raise


def _remove_abandoned(folder: Path) -> None:
    with contextlib.suppress(OSError):  # a folder that cannot be read can be written to all the same
        for path in folder.iterdir():
            if _TEMPORARY.fullmatch(path.name):
                with contextlib.suppress(OSError):  # gone already, or not ours to remove
                    if time.time() - path.stat().st_mtime > _ABANDONED_SECONDS:
                        path.unlink()


def save_weights(
    path: str | os.PathLike[str],
    tensors: Mapping[str, np.ndarray[Any, np.dtype[Any]]],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write named arrays and text as safetensors, or as ``.npz`` if the path ends so, at once or not at all.

    Equal content gives equal bytes.

    Args:
        path: the file, replaced if it is there.
        tensors: arrays of real numbers by name; any strides, written in C order.
        metadata: text by name, kept in the file's header.

    Raises:
        OSError: the file cannot be written; a previous one is untouched.
        TypeError: an array of complex numbers, text or objects, or metadata that is no text by name.
        ValueError: a tensor has the metadata's own name.

    Source: https://github.com/huggingface/safetensors, section "Format".
    """
    told = None if metadata is None else texts("save_weights", "metadata", metadata)
    arrays: Tensors = {}
    for name, tensor in tensors.items():
        arrays[name] = np.asarray(tensor, order="C")
        if arrays[name].dtype.kind not in "biuf":
            raise TypeError(f"save_weights: expected real numbers in {name!r}, got {arrays[name].dtype}")
    if _METADATA in arrays:
        raise ValueError(f"save_weights: {_METADATA!r} is reserved and cannot name a tensor")
    if os.fspath(path).endswith(".npz"):
        buffer = io.BytesIO()
        np.savez(buffer, **{**arrays, _METADATA: np.array(json.dumps(told or {}))})  # type: ignore[arg-type]
        write_atomically(path, buffer.getvalue())
    else:
        write_atomically(path, weights_to_bytes(arrays, told))


def weights_to_bytes(
    tensors: Mapping[str, np.ndarray[Any, np.dtype[Any]]], metadata: Mapping[str, str] | None = None
) -> bytes:
    """The content of a safetensors file with arrays in C order."""
    import safetensors.numpy

    return _in_one_order(safetensors.numpy.save(dict(tensors), dict(metadata or {}) or None))


def load_weights(path: str | os.PathLike[str]) -> tuple[Tensors, dict[str, str]]:
    """Read ``(tensors, metadata)`` from a safetensors or ``.npz`` file, told apart by their first bytes.

    Nothing in a file is ever run: there is no pickle on the way.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no such file, or truncated, or corrupt, or two of its tensors have one name.
    """
    data = Path(path).read_bytes()
    try:
        return _read_npz(data) if data.startswith(b"PK") else weights_from_bytes(data)
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)}: {error}") from error


def weights_from_bytes(data: bytes) -> tuple[Tensors, dict[str, str]]:
    """What :func:`weights_to_bytes` wrote, or anyone, read with suspicion (``ValueError``)."""
    import safetensors
    import safetensors.numpy

    if len(data) < 8:
        raise ValueError(f"expected a safetensors file, got {len(data)} bytes")
    (header_bytes,) = struct.unpack("<Q", data[:8])
    if header_bytes > min(len(data) - 8, _MAX_HEADER_BYTES):
        raise ValueError(
            f"expected a whole safetensors file, got {len(data)} bytes whose header claims {header_bytes}"
        )
    try:
        header = json.loads(data[8 : 8 + header_bytes], object_pairs_hook=_without_duplicates)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"expected a safetensors header in JSON, got {error}") from error
    metadata = header.get(_METADATA, {}) if isinstance(header, dict) else None
    if not isinstance(metadata, dict):
        raise ValueError("expected a safetensors header, got JSON of another form")
    try:
        views = safetensors.numpy.load(data)
    except (safetensors.SafetensorError, KeyError, ValueError) as error:  # KeyError: a type that NumPy lacks
        raise ValueError(f"not a valid safetensors file: {error}") from error
    names = (name for name in header if name != _METADATA)  # the reader's own order changes from run to run
    return {name: np.array(views[name]) for name in names}, metadata


def _in_one_order(data: bytes) -> bytes:
    """The same file with its metadata sorted: the writer's own order changes from run to run."""
    (header_bytes,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + header_bytes])
    if _METADATA in header:
        header[_METADATA] = dict(sorted(header[_METADATA].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # the tensors behind it stay aligned
    return struct.pack("<Q", len(text)) + text + data[8 + header_bytes :]


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse what the specification forbids and the reference reader accepts: a name that stands twice."""
    unique = dict(pairs)
    if len(unique) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {twice!r} stands twice in the safetensors header")
    return unique


def _read_npz(data: bytes) -> tuple[Tensors, dict[str, str]]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            tensors = dict(_members(archive, len(data)))
        metadata = json.loads(str(tensors.pop(_METADATA, "{}")))
    except (*_NOT_NPZ, lzma.LZMAError, tokenize.TokenError) as error:
        raise ValueError(f"not a valid .npz file: {' '.join(str(error).split())}") from error
    if not isinstance(metadata, dict):
        raise ValueError(f"not a valid .npz file: its {_METADATA} is no JSON object")
    return tensors, metadata


def _members(archive: zipfile.ZipFile, file_bytes: int) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    """The arrays by name. No more is unpacked than their headers ask for, nor than the file can hold."""
    names = [info.filename.removesuffix(".npy") for info in archive.infolist()]
    if len(set(names)) != len(names):
        raise ValueError("one name stands twice in the archive")
    claimed = sum(info.file_size for info in archive.infolist())
    if claimed > file_bytes * LARGEST_RATIO:
        raise ValueError(f"expected at most {file_bytes * LARGEST_RATIO} bytes in it, got {claimed} claimed")
    for name, info in zip(names, archive.infolist(), strict=True):
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"expected {name!r} stored or deflated, got method {info.compress_type}")
        with archive.open(info) as member:
            yield name, _read_npy(name, member, info.file_size)


def _read_npy(name: str, member: IO[bytes], member_bytes: int) -> np.ndarray[Any, Any]:
    """One array, whose header must agree with the size of its member before any memory is taken."""
    header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    version = np.lib.format.read_magic(member)
    if version not in header:
        raise ValueError(f"expected {name!r} in version 1.0 or 2.0 of .npy, got {version}")
    shape, fortran_order, dtype = header[version](member)
    if dtype.hasobject or dtype.itemsize == 0:
        raise ValueError(f"expected numbers in {name!r}, got {dtype}")
    count_bytes, left = math.prod(shape) * dtype.itemsize, member_bytes - member.tell()
    if min(shape, default=0) < 0 or count_bytes != left:
        raise ValueError(f"expected {count_bytes} bytes for {name!r} of shape {shape}, got {left}")
    content = bytearray(member.read(count_bytes))  # writable, and at its end the sum is checked
    if len(content) != count_bytes or member.read(1):
        raise ValueError(f"expected {count_bytes} bytes for {name!r} of shape {shape}, got {len(content)}")
    array: np.ndarray[Any, Any] = np.ndarray(shape, dtype, content, order="F" if fortran_order else "C")
    return array


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # folders cannot be opened there; the rename is journalled
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise


def _cannot(verb: str, path: str | os.PathLike[str], error: OSError) -> OSError:
    """The error again, of the same number and so of the same class, as a sentence."""
    return OSError(error.errno or errno.EIO, f"cannot {verb} {os.fspath(path)}: {error.strerror or error}")
