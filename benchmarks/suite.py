"""What all suites share: the command line, the threads of the libraries, the run from cell to cell."""

from __future__ import annotations

import argparse
import fnmatch
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import report
from convlet import _core, datasets
from machine import load_average, machine, peak_memory_bytes, stream_bandwidth
from measure import Cell, Effort, NotEqualError, measure, write_json

RIVALS = ("numpy", "torch", "torch-compile", "jax", "onnxruntime")


@dataclass(frozen=True)
class Options:
    """What a suite is asked for."""

    against: tuple[str, ...] = ()
    threads: int = 1
    quick: bool = False
    data_dir: Path | None = None
    compile_mode: str = "default"
    wheel: Path | None = None

    def data(self) -> datasets.Dataset:
        """Fashion-MNIST's training images if they are on this machine, else the built-in digits."""
        if self.quick:
            return datasets.Digits(train=True, size=1024)
        try:
            return datasets.FashionMNIST(self.data_dir, train=True, download=False)
        except FileNotFoundError:
            return datasets.Digits(train=True)


@dataclass(frozen=True)
class Entry:
    """A cell by its name; nothing is made, proved or timed before `measure` is called."""

    name: str
    measure: Callable[[Effort], dict[str, Any]]


def described(data: datasets.Dataset) -> dict[str, str]:
    """A cell's details that say what it worked on."""
    return {"data": f"{len(data):,} images of {data.name}"}


Suite = Callable[[Options], Iterator[Entry]]


def entry(name: str, build: Callable[[], Cell]) -> Entry:
    """Of a cell that is measured in the usual way."""
    return Entry(name, lambda effort: measure(build(), effort))


def parser(description: str | None) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument(
        "--against",
        type=_rivals,
        default=tuple(name for name in RIVALS if name != "torch-compile"),
        metavar="NAME,...",
        help=f"of {', '.join(RIVALS)}; torch-compile takes minutes and is left out unless named",
    )
    made.add_argument("--cells", default="*", metavar="PATTERN", help="only those so named; * and ? are open")
    made.add_argument("--list", action="store_true", help="print the names of the cells and stop")
    made.add_argument("--threads", type=int, default=_core.get_threads(), help="of each contender")
    made.add_argument("--repetitions", type=int, default=10)
    made.add_argument("--data-dir", type=Path, help="where Fashion-MNIST is, besides $CONVLET_DATA")
    made.add_argument("--compile-mode", default="default", help="of torch.compile, such as max-autotune")
    made.add_argument("--wheel", type=Path, metavar="FILE", help="suite cold: tell the size of this wheel")
    made.add_argument(
        "--quick", action="store_true", help="little work and 2 repetitions: does it run at all?"
    )
    made.add_argument("--out", type=Path, metavar="FILE", help="write the figures as JSON")
    return made


def run(name: str, suite: Suite, arguments: argparse.Namespace) -> int:
    """Measure the cells and print the report. Exit status 1 where contenders are not equal."""
    options = Options(
        arguments.against,
        arguments.threads,
        arguments.quick,
        arguments.data_dir,
        arguments.compile_mode,
        arguments.wheel,
    )
    entries = [one for one in suite(options) if fnmatch.fnmatchcase(one.name, arguments.cells)]
    if not entries:
        print(f"{name}: no cell is named like {arguments.cells}", file=sys.stderr)
        return 2
    if arguments.list:
        print("\n".join(one.name for one in entries))
        return 0
    effort = Effort(
        repetitions=2 if options.quick else arguments.repetitions,
        seconds=0.002 if options.quick else 0.05,
        peak_seconds=0.005 if options.quick else 0.03,
        threads=options.threads,
    )
    result = run_cells(name, entries, options, effort)
    print(report.markdown(result), flush=True)
    if arguments.out:
        write_json(arguments.out, result)
    return 1 if result["not_equal"] else 0


def run_cells(name: str, entries: list[Entry], options: Options, effort: Effort) -> dict[str, Any]:
    """The figures of all cells; those whose contenders are not equal are named instead of timed."""
    cells: list[dict[str, Any]] = []
    not_equal: list[str] = []
    bandwidths = {n: stream_bandwidth(n) for n in sorted({1, options.threads})} if not options.quick else {}
    result = {
        "suite": name,
        "quick": options.quick,
        "machine": machine(options.threads),
        "stream_gigabytes_per_second": bandwidths,
        "cells": cells,
        "not_equal": not_equal,
    }
    for number, one in enumerate(entries, start=1):
        set_threads(options.threads)
        begin = time.perf_counter()
        try:
            cells.append(one.measure(effort))
        except NotEqualError as error:
            not_equal.append(f"{one.name}: {error}")
        state = f"{time.perf_counter() - begin:.1f} s"
        print(f"[{number}/{len(entries)}] {one.name}: {state}", file=sys.stderr, flush=True)
    result["load_average_after"] = load_average()
    result["peak_memory_bytes"] = peak_memory_bytes()
    return result


def set_threads(threads: int) -> None:
    """For convlet and NumPy's BLAS; without threadpoolctl the latter takes what its environment says."""
    _core.set_threads(threads)
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return
    threadpool_limits(threads, user_api="blas")


def _rivals(text: str) -> tuple[str, ...]:
    names = tuple(name for name in text.split(",") if name)
    if unknown := [name for name in names if name not in RIVALS]:
        raise argparse.ArgumentTypeError(f"expected names of {', '.join(RIVALS)}, got {', '.join(unknown)}")
    return names
