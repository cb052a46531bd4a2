"""How much memory a call takes at its most, beyond what the process has anyway."""

from __future__ import annotations

import ctypes
import gc
import re
from collections.abc import Callable
from pathlib import Path

RESET_PEAK = (
    "5"  # written to clear_refs: the peak of the resident set starts anew, see proc_pid_clear_refs(5)
)


def added_bytes(run: Callable[[], object]) -> int | None:
    """The peak of the resident memory within a call of `run` less that before it; None where nobody can say.

    Results count, since they are held at the end of the call, and working memory that is given back after
    it. What a library keeps between its calls does not, once it has made one before.
    """
    process = Path("/proc/self")
    gc.collect()
    _give_back_free_memory()
    try:
        (process / "clear_refs").write_text(RESET_PEAK)
        before = _status(process, "VmRSS")
        run()
        return max(0, _status(process, "VmHWM") - before)
    except OSError:
        run()
        return None


def _status(process: Path, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB$", (process / "status").read_text(), re.MULTILINE)
    if found is None:
        raise OSError(f"{process}/status has no line {name}")
    return 1024 * int(found[1])


def _give_back_free_memory() -> None:
    """Of the C library's heap, which would otherwise serve the next call without growing."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
