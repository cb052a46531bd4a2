"""One input and what came of it: accepted, refused as documented, or a problem."""

from __future__ import annotations

import faulthandler
import re
import resource
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from slower import SANITIZED

from .target import Target

__all__ = ["SPARE_BYTES", "Tally", "Trial", "attempt", "peak_megabytes", "spare_memory"]

SPARE_BYTES = 120 << 20
"""Address space that an input may take, on top of what the process has once its seeds are read."""
_LONGEST_SECONDS = 1.0


@dataclass
class Trial:
    """What one input has come to."""

    outcome: str
    """``accepted``, or the name of the exception."""
    seconds: float
    problem: str | None = None


@dataclass
class Tally:
    """What many inputs have come to."""

    inputs: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    slowest_seconds: float = 0.0
    peak_megabytes: float = 0.0
    wall_seconds: float = 0.0

    def add(self, trial: Trial) -> None:
        """Count one more."""
        self.inputs += 1
        self.outcomes[trial.outcome] += 1
        self.slowest_seconds = max(self.slowest_seconds, trial.seconds)

    def merge(self, other: Tally) -> None:
        """Count another's inputs too."""
        self.inputs += other.inputs
        self.outcomes += other.outcomes
        self.slowest_seconds = max(self.slowest_seconds, other.slowest_seconds)
        self.peak_megabytes = max(self.peak_megabytes, other.peak_megabytes)
        self.wall_seconds += other.wall_seconds


def attempt(target: Target, data: bytes, folder: Path) -> Trial:
    """Parse one input, and judge what happened.

    CPU seconds count, so that a busy machine makes no parser slow.
    """
    started, problem = time.process_time(), None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            target.parse(data, folder)
        outcome = "accepted"
    except target.refusals as error:
        outcome = type(error).__name__
        problem = _wrong_words(target, str(error), folder)
    except Exception as error:
        outcome = type(error).__name__
        problem = f"undocumented {outcome}: {_last_lines(error)}"
    seconds = time.process_time() - started
    if problem is None and seconds > _LONGEST_SECONDS:
        problem = f"took {seconds:.2f} s"
    return Trial(outcome, seconds, problem)


def _wrong_words(target: Target, message: str, folder: Path) -> str | None:
    """What is wrong with the words of a refusal, if anything is."""
    if not message.strip():
        return "a refusal without a word"
    if re.search(r"[\r\n]", message):
        return f"a refusal of several lines: {message!r}"
    if target.file and not re.match(rf"{re.escape(str(folder))}/{re.escape(target.file)}", message):
        return f"a refusal that does not begin with its file: {message[:300]!r}"
    return None


def _last_lines(error: BaseException) -> str:
    """The message, and the innermost places in the library."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "convlet" in frame.filename]
    places = " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames[:-4:-1])
    return f"{str(error)[:300]!r} at {places or 'no place in convlet'}"


@contextmanager
def spare_memory(spare_bytes: int = SPARE_BYTES) -> Iterator[None]:
    """Let this process have so much more address space and no more; then as before. Not with a sanitizer."""
    if SANITIZED:
        yield
        return
    before = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm") as file:  # noqa: PTH123
        used = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + spare_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def peak_megabytes() -> float:
    """The largest resident size of this process so far, interpreter and libraries included."""
    with open("/proc/self/status") as file:  # noqa: PTH123  (ru_maxrss begins with the parent's)
        line = next(line for line in file if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


faulthandler.enable()  # says where, if a process dies
