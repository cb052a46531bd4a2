"""Makes each file call of each writer fail, or the process die at it: `python -m tests.faults.calls`.

For each call of a save: no space left, an input/output error, once or from then on, a write that writes half,
the process killed before or after it. Every file then has its old content or its new one, to the byte, an
error is an `OSError` that names the file, and the same process can save again.
"""

from __future__ import annotations

import argparse
import errno
import os
import re
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from .injector import Fault, attempt_in_child, begin, end, loaded, run_with_library
from .writers import Writer, writers

FAULTS = [
    (Fault.FAILS, errno.ENOSPC),
    (Fault.FAILS, errno.EIO),
    (Fault.FAILS_FROM_NOW_ON, errno.ENOSPC),
    (Fault.FAILS_FROM_NOW_ON, errno.EIO),
    (Fault.SHORT, 0),
    (Fault.KILLED_BEFORE, 0),
    (Fault.KILLED_AFTER, 0),
]
_TEMPORARY = re.compile(r"\.[0-9a-f]{12}\.convlet\.tmp")

Files = dict[str, bytes]


def files(folder: Path) -> Files:
    """The content of every file of a folder but those that a kill may leave."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not _TEMPORARY.fullmatch(path.name)
    }


def temporaries(folder: Path) -> list[Path]:
    """What a kill may leave."""
    return [path for path in folder.rglob("*") if _TEMPORARY.fullmatch(path.name)]


class Case:
    """A writer in a folder, which begins with the old content or empty.

    Args:
        writer: that writes.
        work: a folder for its folder.
        over: whether there is an old content.
    """

    def __init__(self, writer: Writer, work: Path, over: bool) -> None:
        self.writer, self.over, self.folder = writer, over, work / "files"
        self.start()
        self.before = files(self.folder)
        begin(self.folder)
        writer.write(self.folder, True)
        self.calls = end()
        self.after = files(self.folder)
        assert not temporaries(self.folder)

    def start(self) -> None:
        """The state before the save."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        if self.over:
            self.writer.write(self.folder, False)

    def check(self, fault: Fault, error: int, call: int) -> None:
        """One save with one fault."""
        self.start()
        if fault in (Fault.KILLED_BEFORE, Fault.KILLED_AFTER):
            assert attempt_in_child(lambda: self._save(fault, error, call)) == signal.SIGKILL
        else:
            self._check_error(fault, error, call)
            assert fault is Fault.FAILS_FROM_NOW_ON or not temporaries(self.folder), (
                "a temporary file is left"
            )
        self._check_files()
        self.writer.write(self.folder, True)
        self._check_names(self.after)

    def _save(self, fault: Fault, error: int, call: int) -> None:
        begin(self.folder, call, fault, error)
        try:
            self.writer.write(self.folder, True)
        finally:
            end()

    def _check_error(self, fault: Fault, error: int, call: int) -> None:
        told = ""
        try:
            self._save(fault, error, call)
        except (OSError, RuntimeWarning) as raised:
            told = str(raised)
        if told:
            assert os.strerror(error) in told, told
            assert str(self.folder) in told, f"the error names no file: {told}"
        else:
            # A folder that is there need not be made.
            harmless = fault is Fault.SHORT or self.calls[call - 1] == "mkdir"
            assert harmless or (fault is Fault.FAILS and self.writer.again), "no error"
            self._check_names(self.after)

    def _check_files(self) -> None:
        for name, content in files(self.folder).items():
            self.writer.load(self.folder / name)
            if self.writer.exact:
                assert content in (self.before.get(name), self.after[name]), f"{name} is neither old nor new"
        missing = self.before.keys() - files(self.folder).keys()
        assert not missing, f"{missing} gone"

    def _check_names(self, expected: Files) -> None:
        found = files(self.folder)
        assert found.keys() == expected.keys()
        assert not self.writer.exact or found == expected, "not what a save without a fault writes"


def check(name: str, writer: Writer, work: Path) -> tuple[int, int]:
    """All faults of all calls of one writer: how many calls, how many saves with a fault."""
    calls = faults = 0
    for over in (True, False):
        case = Case(writer, work, over)
        _check_order(case.calls)
        calls += len(case.calls)
        for fault, error in FAULTS:
            for call, what in enumerate(case.calls, start=1):
                if fault is Fault.SHORT and what != "write":
                    continue
                try:
                    case.check(fault, error, call)
                except Exception as failure:
                    where = f"{name}, call {call} ({what}) of {' '.join(case.calls)}"
                    raise AssertionError(f"{where}: {fault.name} {error}: {failure}") from failure
                faults += 1
    return calls, faults


def _check_order(calls: list[str]) -> None:
    """Every rename comes after an fsync of the file, and before an fsync of the folder."""
    renames = [n for n, what in enumerate(calls) if what == "rename"]
    assert renames
    for n in renames:
        before = calls[:n]
        assert before[-4:] == ["open64", "write", "fsync", "close"] or "fsync" in before[-3:], calls
        assert calls[n + 1 : n + 4] == ["open64", "fsync", "close"], calls


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("writers", nargs="*", help="all, if none is named")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(os.path.realpath(folder))
        if not loaded():
            return run_with_library("tests.faults.calls", given.writers, work)
        with writers() as known:
            for name in given.writers or known:
                calls, faults = check(name, known[name], work)
                print(f"{name}: {calls} calls, {faults} faults", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
