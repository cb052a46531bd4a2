"""What happens in a folder, as the kernel tells it: a kill can wait for the moment of a save."""

from __future__ import annotations

import ctypes
import os
import select
import struct
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["CREATED", "RENAMED", "Watch", "watched"]

CREATED, RENAMED = 0x100, 0x80  # IN_CREATE, IN_MOVED_TO of inotify(7)
_HEADER = struct.Struct("iIII")  # watch, mask, cookie, bytes of the name


class Watch:
    """The files that appear in a folder.

    Args:
        descriptor: of inotify.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._pending: deque[tuple[int, str]] = deque()

    def wait(self, kind: int, seconds: float, name: str | None = None) -> bool:
        """Whether, within some seconds, a file (of that name) was ``CREATED`` there or ``RENAMED`` to it."""
        until = time.monotonic() + seconds
        while True:
            while self._pending:
                found, what = self._pending.popleft()
                if found & kind and name in (None, what):
                    return True
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.descriptor], [], [], left)[0]:
                return False
            self._read()

    def _read(self) -> None:
        data = os.read(self.descriptor, 1 << 16)
        while data:
            _, mask, _, length = _HEADER.unpack_from(data)
            name = data[_HEADER.size : _HEADER.size + length].rstrip(b"\0").decode()
            self._pending.append((mask, name))
            data = data[_HEADER.size + length :]


@contextmanager
def watched(folder: Path) -> Iterator[Watch]:
    """Watch a folder that exists."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.inotify_init1(os.O_CLOEXEC)
    try:
        if descriptor < 0 or libc.inotify_add_watch(descriptor, os.fsencode(folder), CREATED | RENAMED) < 0:
            raise OSError(ctypes.get_errno(), f"inotify: {folder}")
        yield Watch(descriptor)
    finally:
        if descriptor >= 0:
            os.close(descriptor)
