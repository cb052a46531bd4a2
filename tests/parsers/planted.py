"""Parsers with planted faults, to see that each is found; as a program it is a worker for them."""

from __future__ import annotations

import ctypes
import time
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

from .target import Target
from .targets import TARGETS
from .worker import main

_SEED = bytes(range(32))


def _dies() -> None:
    ctypes.string_at(1)


def _hangs() -> None:
    time.sleep(1000)


def _loops() -> None:
    end = time.process_time() + 1.1
    while time.process_time() < end:
        pass


def _allocates() -> None:
    bytearray(1 << 32)


def _raises() -> None:
    raise KeyError("undocumented")


def _tells_two_lines() -> None:
    raise ValueError("one line\nand another")


def _says_nothing() -> None:
    raise ValueError


def _with(name: str, number: int, faults: Sequence[Callable[[], None]]) -> Target:
    """A target with faults that strike one input in ``number``, in turn."""

    def parse(data: bytes, folder: Path) -> None:
        drawn = zlib.crc32(data)
        if data != _SEED and drawn % number == 0:
            faults[drawn // number % len(faults)]()
        raise ValueError("refused")

    return Target(name, lambda: [_SEED], parse)


for _target in (
    _with("planted-death", 30, [_dies]),
    _with("planted-hang", 30, [_hangs]),
    _with("planted-words", 3, [_loops, _allocates, _raises, _tells_two_lines, _says_nothing]),
):
    TARGETS[_target.name] = _target

if __name__ == "__main__":
    main()
