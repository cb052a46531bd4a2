"""A process that parses the inputs of one target, and says how far it is: ``python -m parsers.worker``."""

from __future__ import annotations

import argparse
import json
import struct
import time
from collections.abc import Sequence
from dataclasses import asdict
from io import RawIOBase
from pathlib import Path
from tempfile import TemporaryDirectory

from .target import Target, make_input
from .targets import TARGETS
from .trial import Tally, attempt, peak_megabytes, spare_memory

__all__ = ["NOTHING", "PROGRESS", "main"]

PROGRESS = struct.Struct("<Qd")
"""The number of the input that is being parsed, and when it began."""
NOTHING = 2**64 - 1
_REPORT_EACH = 500


def main() -> None:
    """Parse inputs ``first`` to ``last``, with a line of JSON for each few hundred and for each problem."""
    parser = argparse.ArgumentParser()
    for name in ("target", "progress"):
        parser.add_argument(name)
    for name in ("seed", "first", "last"):
        parser.add_argument(name, type=int)
    arguments = parser.parse_args()
    target = TARGETS[arguments.target]
    seeds = target.seeds()
    shared = Path("/dev/shm")
    with TemporaryDirectory(dir=shared if shared.is_dir() else None) as folder:
        for data in seeds:  # loads whatever is loaded at first use
            attempt(target, data, Path(folder))
        with spare_memory(), Path(arguments.progress).open("r+b", buffering=0) as progress:
            for first in range(arguments.first, arguments.last, _REPORT_EACH):
                numbers = range(first, min(first + _REPORT_EACH, arguments.last))
                tally = _run(target, seeds, arguments.seed, numbers, Path(folder), progress)
                _say({"until": numbers.stop, "tally": {**asdict(tally), "outcomes": dict(tally.outcomes)}})
            progress.seek(0)
            progress.write(PROGRESS.pack(NOTHING, 0))


def _run(
    target: Target, seeds: Sequence[bytes], seed: int, numbers: range, folder: Path, progress: RawIOBase
) -> Tally:
    """Parse the inputs of these numbers; before each, say which and when."""
    tally, started = Tally(), time.monotonic()
    for number in numbers:
        data = make_input(target, seeds, seed, number)
        progress.seek(0)
        progress.write(PROGRESS.pack(number, time.monotonic()))
        trial = attempt(target, data, folder)
        tally.add(trial)
        if trial.problem is not None:
            _say({"number": number, "problem": trial.problem})
    tally.peak_megabytes = peak_megabytes()
    tally.wall_seconds = time.monotonic() - started
    return tally


def _say(what: dict[str, object]) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    main()
