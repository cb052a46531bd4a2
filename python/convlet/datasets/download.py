"""Fetches published files from mirrors, and keeps only those whose content is the published one."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import logging
import socket
import threading
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

from .._files import check_folder, write_atomically
from .idx import unpacked

__all__ = ["fetch"]

_CONNECT_SECONDS, _READ_SECONDS = 3.05, 10.0
_LARGEST_BYTES = 256 << 20  # no published file comes near it; a mirror that never ends stops here
_CHUNK_BYTES = 1 << 20

_log = logging.getLogger(__name__)


def fetch(name: str, folder: Path, digests: Mapping[str, str], mirrors: Iterable[str]) -> None:
    """Put the missing files of a data set into ``folder``, each from the first mirror that has it.

    A file appears under its name when it is whole and checked, so that several processes may fetch at once.
    A mirror that fails is not asked again.

    Args:
        name: of the data set, for the message.
        folder: made if need be.
        digests: for each file name ``"sha256:..."`` of its content, unpacked from gzip, since mirrors pack
            anew; or ``"packed-sha256:..."`` of the file as it is.
        mirrors: addresses in the order to try them; a file's name is appended.

    Raises:
        ConnectionError: no mirror gave a file; one sentence says what each answered and what to do instead.
        OSError: the folder cannot be written to.
    """
    check_folder(folder)
    reachable, answers = list(mirrors), []
    for file_name, digest in digests.items():
        while reachable and not (folder / file_name).is_file():
            try:
                content = _get(reachable[0] + file_name)
                _check(content, digest)
            except (OSError, EOFError, ValueError, zlib.error) as error:  # those of requests are OSErrors
                answers.append(f"{reachable.pop(0)} ({_reason(error)})")
            else:
                write_atomically(folder / file_name, content)
        if not (folder / file_name).is_file():
            raise ConnectionError(
                f"cannot download {file_name} of {name}; tried {', '.join(answers)}; put "
                f"{' and '.join(digests)} into {folder} by hand, or use --data digits, which needs no network"
            )


def _get(address: str) -> bytes:
    import pooch  # type: ignore[import-untyped]  # not loaded by a run that has its data

    _log.info("downloading %s", address)
    _resolve(urlsplit(address).hostname)
    download = pooch.HTTPDownloader(
        chunk_size=_CHUNK_BYTES,
        timeout=(_CONNECT_SECONDS, _READ_SECONDS),
        headers={"Accept-Encoding": "identity"},  # the file as it is stored, not unpacked on the way
    )
    content = _Bounded()
    download(address, content, None)
    return content.getvalue()


def _resolve(host: str | None) -> None:
    """Refuse a host whose number is not found in time: without a network that may take minutes."""
    if getproxies():  # then the proxy resolves
        return

    def ask() -> None:
        with contextlib.suppress(OSError):  # told better by the connection
            socket.getaddrinfo(host, None)

    question = threading.Thread(target=ask, daemon=True)
    question.start()
    question.join(_CONNECT_SECONDS)
    if question.is_alive():
        raise TimeoutError(f"{host} not resolved")


class _Bounded(io.BytesIO):
    """Memory for a file of at most ``_LARGEST_BYTES``."""

    def write(self, data: bytes) -> int:  # type: ignore[override]
        if self.tell() + len(data) > _LARGEST_BYTES:
            raise ValueError(f"more than {_LARGEST_BYTES} bytes")
        return super().write(data)


def _check(content: bytes, digest: str) -> None:
    """Refuse, with a ``ValueError`` or, if gzip data is cut off, an ``EOFError``, what was not published."""
    kind, _, expected = digest.partition(":")
    if kind not in ("sha256", "packed-sha256"):
        raise ValueError(f"expected a digest of sha256 or packed-sha256, got {digest!r}")
    found = hashlib.sha256()
    if kind == "packed-sha256":
        found.update(content)
    else:
        stream, length = unpacked(io.BytesIO(content)), 0
        while chunk := stream.read(_CHUNK_BYTES):
            found.update(chunk)
            length += len(chunk)
            if length > _LARGEST_BYTES:
                raise ValueError(f"unpacks to more than {_LARGEST_BYTES} bytes")
    got = found.hexdigest()
    if got != expected:
        raise ValueError(f"other bytes: expected sha256 {expected[:12]}..., got {got[:12]}...")


def _reason(error: Exception) -> str:
    """A few words; the texts of requests repeat the address and show Python's inside."""
    from requests import exceptions

    if isinstance(error, exceptions.HTTPError) and error.response is not None:
        return f"answered {error.response.status_code}"
    if isinstance(error, exceptions.Timeout | TimeoutError):
        return "timed out"
    if isinstance(error, exceptions.SSLError):
        return "no valid certificate"
    if isinstance(error, exceptions.ConnectionError):
        return "not reachable"
    if isinstance(error, exceptions.ChunkedEncodingError | EOFError):
        return "cut off"
    if isinstance(error, gzip.BadGzipFile | zlib.error):
        return "corrupt gzip data"
    return " ".join(str(error).split())
