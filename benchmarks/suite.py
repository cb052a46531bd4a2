"""What all suites share: the command line, the threads of the rivals' libraries, the tables and the file."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import report
from convlet import _core, datasets
from measure import Cell, Effort, NotEqualError, load_average, machine, measure, write_json

RIVALS = ("numpy", "torch", "torch-compile", "onnxruntime")


@dataclass(frozen=True)
class Options:
    """What a suite is asked for."""

    against: tuple[str, ...]
    threads: int
    quick: bool
    data_dir: Path | None
    compile_mode: str

    def data(self) -> datasets.Dataset:
        """Fashion-MNIST's training images if they are on this machine, else the built-in digits."""
        if self.quick:
            return datasets.Digits(train=True, size=1024)
        try:
            return datasets.FashionMNIST(self.data_dir, train=True, download=False)
        except FileNotFoundError:
            return datasets.Digits(train=True)


Cells = Callable[[Options], Iterator[Cell]]


def parser(description: str | None) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument(
        "--against",
        type=_rivals,
        default=("numpy", "torch", "onnxruntime"),
        metavar="NAME,...",
        help=f"of {', '.join(RIVALS)} (which compiles for minutes and is therefore left out unless named)",
    )
    made.add_argument("--threads", type=int, default=_core.get_threads(), help="of each contender")
    made.add_argument("--repetitions", type=int, default=10)
    made.add_argument("--data-dir", type=Path, help="where Fashion-MNIST is, besides $CONVLET_DATA")
    made.add_argument("--compile-mode", default="default", help="of torch.compile, such as max-autotune")
    made.add_argument(
        "--quick", action="store_true", help="little work and 2 repetitions: does it run at all?"
    )
    made.add_argument("--out", type=Path, metavar="FILE", help="write the figures as JSON")
    return made


def run(name: str, cells: Cells, arguments: argparse.Namespace) -> int:
    """Measure cell after cell and print each table at once. Exit status 1 where contenders are not equal."""
    options = Options(
        arguments.against, arguments.threads, arguments.quick, arguments.data_dir, arguments.compile_mode
    )
    effort = Effort(
        repetitions=2 if options.quick else arguments.repetitions,
        seconds=0.002 if options.quick else 0.05,
        peak_seconds=0.01 if options.quick else 0.1,
        threads=options.threads,
    )
    _core.set_threads(options.threads)
    done: list[dict[str, Any]] = []
    result = {"suite": name, "quick": options.quick, "machine": machine(options.threads), "cells": done}
    print(report.heading(result), flush=True)
    try:
        with blas_threads(options.threads):
            for cell in cells(options):
                done.append(measure(cell, effort))
                print("\n" + report.table(done[-1]), flush=True)
    except NotEqualError as error:
        print(f"not equal, so not timed: {error}", file=sys.stderr)
        return 1
    result["load_average_after"] = load_average()
    if arguments.out:
        write_json(arguments.out, result)
    return 0


def main(name: str, cells: Cells, description: str | None, argv: Sequence[str] | None = None) -> int:
    return run(name, cells, parser(description).parse_args(argv))


def blas_threads(threads: int) -> AbstractContextManager[object]:
    """As many threads for NumPy's BLAS; without threadpoolctl it takes what its environment variables say."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return nullcontext()
    return threadpool_limits(threads, user_api="blas")


def _rivals(text: str) -> tuple[str, ...]:
    names = tuple(name for name in text.split(",") if name)
    if unknown := [name for name in names if name not in RIVALS]:
        raise argparse.ArgumentTypeError(f"expected names of {', '.join(RIVALS)}, got {', '.join(unknown)}")
    return names
