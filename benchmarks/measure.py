"""Times several ways of doing one thing in turn, A B C A B C ..., next to the machine's limit.

Machines are shared and their clocks drift, so a figure alone says little: each repetition times every
contender and the peak of the multiply-add units once, and ratios are taken within a repetition. Shares of the
peak are of the highest that was seen. Everything is counted in images.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from convlet import _core
from machine import spread
from memory import added_bytes

SETTLE_SECONDS = 0.005  # after this the threads of the contender before have gone to sleep

Kind = Literal["rivals", "convolution", "sweep"]
"""How a cell is reported: in a table of its own, in a row of one for all convolutions, or in a table without
rivals, where one contender works on different sizes."""


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
    prepare: Callable[[], object] | None = None
    """Called before each repetition, outside the clock."""


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
    kind: Kind = "rivals"
    threads: int | None = None
    """Of every contender and of the peak; None for the suite's."""
    details: dict[str, Any] = field(default_factory=dict)
    """Plain data by which reports and pictures tell cells apart."""


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


def check_all_equal(
    what: str, got: Iterable[Any], expected: Sequence[Any], tolerances: Sequence[float]
) -> float:
    """The same for several results, each against its own largest value; the worst difference."""
    return max(
        check_equal(f"{what}: result {i}", np.asarray(one), other, tolerance)
        for i, (one, other, tolerance) in enumerate(zip(got, expected, tolerances, strict=True))
    )


def measure(cell: Cell, effort: Effort) -> dict[str, Any]:
    """Run the cell's contenders in turn; plain data with every repetition's figures and their spreads."""
    threads = cell.threads or effort.threads
    warm = [_warm_up(contender, effort.seconds) for contender in cell.contenders]
    rates: list[list[float]] = [[] for _ in cell.contenders]
    peaks: list[float] = []
    for _ in range(effort.repetitions):
        peaks.append(_core.fma_peak(threads, effort.peak_seconds))
        for contender, (calls, _), rate in zip(cell.contenders, warm, rates, strict=True):
            rate.append(contender.images / _seconds(contender, calls))
    rows = [
        _row(contender, rate, rates[0], peaks, cell, added)
        for contender, rate, (_, added) in zip(cell.contenders, rates, warm, strict=True)
    ]
    return {
        "cell": cell.name,
        "kind": cell.kind,
        "threads": threads,
        "proof": cell.proof,
        "flop_per_image": cell.flop,
        "bytes_per_image": cell.traffic_bytes,
        "peak_gflops": spread(peaks),
        "rows": rows,
        "skipped": cell.skipped,
        **cell.details,
    }


def _warm_up(contender: Contender, seconds: float) -> tuple[int, int | None]:
    """How many calls take so long, and the memory that one adds; the first may still compile or allocate."""
    if contender.prepare:
        contender.prepare()
    added = added_bytes(contender.run)
    begin = time.perf_counter()
    contender.run()
    return max(1, math.ceil(seconds / (time.perf_counter() - begin))), added


def _seconds(contender: Contender, calls: int) -> float:
    """Of one call. Short ones begin with a call that fills the caches and wakes the threads."""
    run = contender.run
    if contender.prepare:
        contender.prepare()
    time.sleep(SETTLE_SECONDS)
    if calls > 1:
        run()
    begin = time.perf_counter()
    for _ in range(calls):
        run()
    return (time.perf_counter() - begin) / calls


def _row(
    contender: Contender,
    rate: list[float],
    first: list[float],
    peaks: list[float],
    cell: Cell,
    added: int | None,
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": contender.name,
        "images_per_call": contender.images,
        "images_per_second": {**spread(rate), "all": rate},
        "convlet_is_faster_by": spread([a / b for a, b in zip(first, rate, strict=True)]),
        "added_memory_bytes": added,
    }
    if cell.flop is not None:
        row["gflops"] = spread([cell.flop * r / 1e9 for r in rate])
        row["share_of_peak"] = spread([cell.flop * r / 1e9 / max(peaks) for r in rate])
    if cell.traffic_bytes is not None:
        row["gigabytes_per_second"] = spread([cell.traffic_bytes * r / 1e9 for r in rate])
    return row


def write_json(path: str | Path, result: dict[str, Any]) -> None:
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n")
