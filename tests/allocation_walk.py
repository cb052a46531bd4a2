"""Makes every allocation of a call fail, one after the other, and looks at what comes of it.

The n-th allocation of the call fails, once or with all that follow. The call must then end with MemoryError
(or well, where it can do without; or with the RuntimeError for a thread that the system refuses, for which it
gives no reason), and the next one must have the bits that it has without a fault. Then n + 1, until the call
ends before the n-th. Each n has a forked child of its own, with fresh threads and fresh scratch memory, so
that a crash is told with its n; `--used` goes on in one process, in which hundreds of calls failed before.

    LD_PRELOAD=failing_malloc.so python tests/allocation_walk.py [NAME...]

tests/processes/test_allocations.py builds the library, from tests/processes/failing_malloc.cpp.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import signal
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Iterator
from enum import Enum
from typing import Any

import numpy as np

from allocation_calls import MAKERS, Result, Work
from convlet import _core

THREADS, SECONDS = 3, 20
WHOSE = {"module": 1, "numpy": 3}  # the compiled module's alone, or NumPy's too
NEVER = 2**62
NUMPYS_ERROR = "error return without exception set"
"""What some functions of NumPy say where they find no memory and forget to say why."""


class Outcome(Enum):
    """Of a call with a fault."""

    MEMORY_ERROR = "MemoryError"
    NO_THREAD = "no thread"
    NUMPYS_ERROR = "NumPy's SystemError"
    SURVIVED = "survived"
    NOT_REACHED = "not reached"


def library() -> Any:
    """The functions that were loaded in front of malloc."""
    found = ctypes.CDLL(None)
    found.fail_allocations.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_int]
    found.stop_failing.restype = ctypes.c_long
    return found


def bits(result: Result) -> list[tuple[Any, ...]]:
    return [(a.shape, a.dtype.str, np.ascontiguousarray(a).tobytes()) for a in result]


def with_fault(work: Work, n: int, whose: int, lasting: bool, expected: list[Any]) -> Outcome:
    """Call ``work`` with a fault and then without, on the calling thread."""
    failing, raised = library(), None
    failing.fail_allocations(n, NEVER if lasting else n, whose)
    try:
        result = work()
    except BaseException as error:
        raised = error
    reached = failing.stop_failing()
    if raised is None:
        assert bits(result) == expected, "another result, and no error"
        outcome = Outcome.SURVIVED if reached >= n else Outcome.NOT_REACHED
    elif isinstance(raised, MemoryError):
        outcome = Outcome.MEMORY_ERROR
    elif isinstance(raised, RuntimeError) and str(raised).startswith("threads: expected"):
        outcome = Outcome.NO_THREAD
    elif isinstance(raised, SystemError) and whose != WHOSE["module"] and NUMPYS_ERROR in str(raised):
        outcome = Outcome.NUMPYS_ERROR
    else:
        raise AssertionError(f"expected MemoryError, got {raised!r}") from raised
    del raised
    assert bits(work()) == expected, "the next call has another result"
    return outcome


def on_a_new_thread(work: Any) -> Any:
    """What ``work`` returns on a thread whose scratch memory is not there yet."""
    found: list[Any] = []

    def run() -> None:
        try:
            found.append(work())
        except BaseException as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if isinstance(found[0], BaseException):
        raise found[0]
    return found[0]


def in_a_child(work: Work, n: int, whose: int, lasting: bool, expected: list[Any]) -> Outcome:
    """As :func:`with_fault`, in a forked child; what goes wrong there is raised here."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(SECONDS)
        try:
            text = on_a_new_thread(lambda: with_fault(work, n, whose, lasting, expected)).value
        except AssertionError as error:
            text = str(error)
        except BaseException:
            text = traceback.format_exc()
        os.write(writer, text.encode()[-4000:])
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        text = pipe.read()
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        raise AssertionError(f"ended by {signal.Signals(os.WTERMSIG(status)).name}")
    if status != 0:
        raise AssertionError(f"ended with status {os.WEXITSTATUS(status)}")
    try:
        return Outcome(text)
    except ValueError:
        raise AssertionError(text) from None


def outcomes(
    name: str, whose: str, lasting: bool, used: bool, first: int = 1
) -> Iterator[tuple[int, Outcome | str]]:
    """What becomes of a call with the first, the second, ... fault, or what is wrong with that."""
    _core.set_threads(1)
    expected = bits(MAKERS[name]()())
    _core.set_threads(THREADS)
    work = MAKERS[name]()
    n, ended = first - 1, False
    while not ended:
        n += 1
        try:
            run = with_fault if used else in_a_child
            outcome = run(work, n, WHOSE[whose], lasting, expected)
        except AssertionError as error:
            yield n, str(error)
            ended = used
            continue
        ended = outcome is Outcome.NOT_REACHED
        if not ended:
            yield n, outcome


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="of the calls; all if there is none")
    parser.add_argument("--whose", choices=WHOSE, default="module")
    parser.add_argument("--lasting", action="store_true", help="the allocations after the n-th fail too")
    parser.add_argument("--used", action="store_true", help="all in one process")
    parser.add_argument("--only", type=int, help="look at this allocation alone, and show where it is")
    given = parser.parse_args()
    library().show_failures(given.only is not None)
    wrong = 0
    for name in given.names or MAKERS:
        found: Counter[str] = Counter()
        for n, outcome in outcomes(name, given.whose, given.lasting, given.used, given.only or 1):
            if isinstance(outcome, str):
                print(f"{name}: allocation {n}: {outcome}", file=sys.stderr)
                found["wrong"] += 1
            else:
                found[outcome.value] += 1
            if given.only is not None:
                break
        wrong += found["wrong"]
        print(f"{name}: {sum(found.values())} failed in turn: {dict(found)}", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
