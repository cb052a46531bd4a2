"""Makes each file call of a whole `convlet train` fail in turn: `python -m tests.faults.train_calls`.

Whatever fails once training has begun, weights, history and checkpoint of the whole run are there in the end:
in the folder that was asked for with status 0, or in another one, which a line names, with status 1.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.small_mnist import write_small_mnist

from convlet.checkpoint import load_checkpoint
from convlet.cli import main as convlet
from convlet.history import History

from .calls import temporaries
from .injector import Fault, begin, end, loaded, run_with_library

EPOCHS = 2
FAULTS = [
    (fault, error) for fault in (Fault.FAILS, Fault.FAILS_FROM_NOW_ON) for error in (errno.ENOSPC, errno.EIO)
]


def train(work: Path, fault: Fault = Fault.NONE, error: int = 0, call: int = 0) -> tuple[int, str, list[str]]:
    """One run into `work/run`; its status, what it told, and its file calls."""
    shutil.rmtree(work / "run", ignore_errors=True)
    shutil.rmtree(work / "temporary", ignore_errors=True)
    (work / "temporary").mkdir()
    told = io.StringIO()
    options = ["--data", "mnist", "--data-dir", str(work), "--device", "cpu", "--threads", "1"]
    begin(work / "run", call, fault, error)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(told):
        status = convlet(["train", *options, "--epochs", str(EPOCHS), "--out", str(work / "run")])
    return status, told.getvalue(), end()


def check(work: Path, weights: bytes, fault: Fault, error: int, call: int) -> str:
    """One run with one fault; what came of it."""
    status, told, calls = train(work, fault, error, call)
    assert told.count(os.strerror(error)) == told.count("\n"), told
    others = list((work / "temporary").iterdir())
    if status == 1 and not others:
        assert told == f"convlet: cannot write to {work / 'run'}: {os.strerror(error)}\n", told
        assert "rename" not in calls
        return "told before the training"
    folder = others[0] if others else work / "run"
    assert (folder / "weights.safetensors").read_bytes() == weights
    checkpoint = load_checkpoint(folder / "checkpoint.safetensors")
    assert checkpoint.epoch == EPOCHS == len(History.load(folder / "history.json"))
    assert fault is Fault.FAILS_FROM_NOW_ON or not temporaries(work / "run")
    if others:
        assert status == 1
        assert told.endswith(f"; the run is in {folder} instead\n"), told
        return "kept in another folder"
    assert status == 0
    return "kept where it was asked for"


def main() -> int:
    """The command line."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(os.path.realpath(folder))
        if not loaded():
            return run_with_library("tests.faults.train_calls", [], work)
        sys.modules["matplotlib"] = None  # type: ignore[assignment]  # curves come last, and take long
        tempfile.tempdir = str(work / "temporary")
        write_small_mnist(work)
        status, told, calls = train(work)
        assert (status, told) == (0, ""), told
        weights, counts = (work / "run/weights.safetensors").read_bytes(), Counter[str]()
        for fault, error in FAULTS:
            for call in range(1, len(calls) + 1):
                try:
                    counts[check(work, weights, fault, error, call)] += 1
                except Exception as failure:
                    where = f"call {call} ({calls[call - 1]}) of {' '.join(calls)}"
                    raise AssertionError(f"{where}: {fault.name} {error}: {failure}") from failure
        print(f"{len(calls)} calls, {counts.total()} faults: {dict(sorted(counts.items()))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
