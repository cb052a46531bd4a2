"""Times several ways of doing one thing in turn, A B C A B C ..., next to the machine's limit.

Machines are shared and their clocks drift, so a figure alone says little: each repetition times every
contender and the peak of the multiply-add units once, and ratios are taken within a repetition. Everything is
counted in images.
"""

from __future__ import annotations

import json
import math
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

import convlet
from convlet import _core

PACKAGES = ("convlet", "numpy", "torch", "onnxruntime", "threadpoolctl")
SETTLE_SECONDS = 0.005  # after this the threads of the contender before have gone to sleep


class NotEqualError(Exception):
    """Two contenders do not compute the same, so that comparing their speed would mean nothing."""


class UnavailableError(Exception):
    """A rival that cannot run here; the message says why."""


@dataclass(frozen=True)
class Contender:
    """One way to do the work of a cell; a call of `run` handles so many images."""

    name: str
    run: Callable[[], object]
    images: int = 1


@dataclass
class Cell:
    """One comparison. The first contender is convlet; `proof` says how all of them were found equal."""

    name: str
    contenders: list[Contender]
    proof: str
    flop: float | None = None
    """Of one image, two for a multiply-add; None where multiply-adds are not what takes the time."""
    traffic_bytes: float | None = None
    """Of one image: operands and results, each moved once."""
    skipped: dict[str, str] = field(default_factory=dict)
    """Rivals that could not run, with the reason."""


@dataclass(frozen=True)
class Effort:
    """How long to measure."""

    repetitions: int
    seconds: float
    """Of one contender in one repetition, at least; the work is called again until then."""
    peak_seconds: float
    threads: int


def check_equal(what: str, got: Any, expected: Any, tolerance: float) -> float:
    """The largest difference as a share of the largest expected value; an error beyond the tolerance."""
    got, expected = np.asarray(got, np.float64), np.asarray(expected, np.float64)
    if got.shape != expected.shape:
        raise NotEqualError(f"{what}: expected shape {expected.shape}, got {got.shape}")
    difference = float(np.max(np.abs(got - expected)) / max(float(np.max(np.abs(expected))), 1e-30))
    if not difference <= tolerance:  # also for NaN
        raise NotEqualError(
            f"{what}: differs by {difference:.2g} of the largest value, allowed {tolerance:.2g}"
        )
    return difference


def spread(values: Sequence[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def measure(cell: Cell, effort: Effort) -> dict[str, Any]:
    """Run the cell's contenders in turn; plain data with every repetition's figures and their spreads."""
    calls = [_calls(contender.run, effort.seconds) for contender in cell.contenders]
    rates: list[list[float]] = [[] for _ in cell.contenders]
    peaks: list[float] = []
    for _ in range(effort.repetitions):
        peaks.append(_core.fma_peak(effort.threads, effort.peak_seconds))
        for contender, count, rate in zip(cell.contenders, calls, rates, strict=True):
            rate.append(contender.images / _seconds(contender.run, count))
    rows = [
        _row(contender, rate, rates[0], peaks, cell)
        for contender, rate in zip(cell.contenders, rates, strict=True)
    ]
    return {
        "cell": cell.name,
        "proof": cell.proof,
        "flop_per_image": cell.flop,
        "bytes_per_image": cell.traffic_bytes,
        "peak_gflops": spread(peaks),
        "rows": rows,
        "skipped": cell.skipped,
    }


def _calls(run: Callable[[], object], seconds: float) -> int:
    """How many calls take so long; the first one, which may compile or allocate, does not count."""
    run()
    begin = time.perf_counter()
    run()
    return max(1, math.ceil(seconds / (time.perf_counter() - begin)))


def _seconds(run: Callable[[], object], calls: int) -> float:
    """Of one call. Short ones begin with a call that fills the caches and wakes the threads."""
    time.sleep(SETTLE_SECONDS)
    if calls > 1:
        run()
    begin = time.perf_counter()
    for _ in range(calls):
        run()
    return (time.perf_counter() - begin) / calls


def _row(
    contender: Contender, rate: list[float], first: list[float], peaks: list[float], cell: Cell
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": contender.name,
        "images_per_call": contender.images,
        "images_per_second": {**spread(rate), "all": rate},
        "convlet_is_faster_by": spread([a / b for a, b in zip(first, rate, strict=True)]),
    }
    if cell.flop is not None:
        row["gflops"] = spread([cell.flop * r / 1e9 for r in rate])
        row["share_of_peak"] = spread(
            [cell.flop * r / 1e9 / peak for r, peak in zip(rate, peaks, strict=True)]
        )
    if cell.traffic_bytes is not None:
        row["gigabytes_per_second"] = spread([cell.traffic_bytes * r / 1e9 for r in rate])
    return row


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


def write_json(path: str | Path, result: dict[str, Any]) -> None:
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n")
