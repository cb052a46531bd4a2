"""The machine that the figures were taken on: which it is, how fast it can be, and which code ran."""

from __future__ import annotations

import itertools
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

import convlet
from convlet import _core

PACKAGES = ("convlet", "numpy", "torch", "jax", "jaxlib", "onnxruntime", "threadpoolctl")
STREAM_BYTES = 1 << 27
"""Of each of the two arrays that are copied: more than a core's caches hold, by far."""


def machine(threads: int) -> dict[str, Any]:
    """What the figures depend on besides the code, and which code it was."""
    return {
        "cpu": _core.cpu_name(),
        "isa": _core.isa(),
        "isas": _core.available_isas(),
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": threads,
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: version for name in PACKAGES if (version := _version(name))},
        "commit": _commit(),
        "load_average": load_average(),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }


def load_average() -> tuple[float, float, float] | None:
    """Processes that want to run, over the last 1, 5 and 15 minutes."""
    return os.getloadavg() if hasattr(os, "getloadavg") else None


def peak_memory_bytes() -> int | None:
    """The most memory that this process had resident so far, with everything that is loaded in it."""
    try:
        import resource
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def spread(values: Sequence[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def stream_bandwidth(threads: int, repetitions: int = 5, size: int = STREAM_BYTES) -> dict[str, float]:
    """Gigabytes a second of a copy from one large array to another, read and written bytes together.

    Each thread copies a part of its own. As in the STREAM benchmark, lines that a cache fetches before it
    overwrites them do not count.
    """
    source, target = np.ones(size, np.uint8), np.zeros(size, np.uint8)
    bounds = np.linspace(0, size, threads + 1).astype(int)
    parts = [slice(begin, end) for begin, end in itertools.pairwise(bounds)]
    rates = []
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(repetitions + 1):
            begin = time.perf_counter()
            list(pool.map(lambda part: np.copyto(target[part], source[part]), parts))
            rates.append(2 * size / (time.perf_counter() - begin) / 1e9)
    return spread(rates[1:])  # the first round touched the memory


def _version(package: str) -> str | None:
    try:
        return convlet.__version__ if package == "convlet" else metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _commit() -> str:
    """Of the source tree around this file, with a mark if a tracked file differs from it."""
    git = ["git", "-C", str(Path(__file__).parent)]
    try:
        head = subprocess.check_output([*git, "rev-parse", "HEAD"], stderr=subprocess.DEVNULL, text=True)
        changed = subprocess.check_output([*git, "status", "--porcelain", "--untracked-files=no"], text=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head.strip() + ("-modified" if changed.strip() else "")
