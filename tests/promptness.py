"""How fast Ctrl-C must end a call or a command, and when a machine is too busy to tell."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable

import pytest

from slower import SLOWER

ATTEMPTS, AFTER_SECONDS, WITHIN_SECONDS = 5, 0.1, 0.2 * SLOWER
_BUSY = 1.5  # processes that want to run, for each CPU


def interrupted(work: Callable[[], object], begun: Callable[[], bool] = lambda: True) -> float:
    """Run `work`, press Ctrl-C a moment later, once it has begun, and tell how long it took to come back."""
    sent: list[float] = []
    over = threading.Event()

    def press() -> None:
        while not begun():
            if over.wait(0.01):
                return
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(AFTER_SECONDS, press)
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            work()
        return time.monotonic() - sent[0]
    finally:
        over.set()
        timer.cancel()  # where the work was over too soon, so that Ctrl-C does not hit the next test
        timer.join()


def fastest(attempt: Callable[[], float]) -> float:
    """The seconds of the first attempt that is prompt, or of the best of several."""
    best = attempt()
    for _ in range(ATTEMPTS - 1):
        if best < WITHIN_SECONDS:
            break
        best = min(best, attempt())
    return best


def assert_prompt(seconds: float) -> None:
    """Within 0.2 s; the last thing that a test asserts, since on a busy machine it is skipped."""
    load = os.getloadavg()[0]
    if seconds >= WITHIN_SECONDS and load > _BUSY * (os.cpu_count() or 1):
        pytest.skip(f"{seconds:.2f} s at a load of {load:.1f} tell nothing")
    assert seconds < WITHIN_SECONDS
