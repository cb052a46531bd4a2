"""Options that several commands share, and the checks that click lacks."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

__all__ = ["LARGEST_SIDE", "POSITIVE", "data_dir", "device", "extent", "finite", "threads", "weights"]

Command = TypeVar("Command", bound=Callable[..., Any])

LARGEST_SIDE = 4096
POSITIVE = click.IntRange(min=1)


def data_dir(command: Command) -> Command:
    """``--data-dir DIR``."""
    return click.option(
        "--data-dir",
        metavar="DIR",
        type=click.Path(file_okay=False, resolve_path=True),
        help="Where to look for data first; then in $CONVLET_DATA, then in the user's cache folder.",
    )(command)


def device(command: Command) -> Command:
    """``--device auto|cpu|cuda``."""
    return click.option(
        "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", help="What to compute on."
    )(command)


def threads(command: Command) -> Command:
    """``--threads N``."""
    return click.option(
        "--threads",
        metavar="N",
        type=POSITIVE,
        help="CPU threads; else $CONVLET_THREADS, $OMP_NUM_THREADS, or the CPUs that may be used.",
    )(command)


def weights(command: Command) -> Command:
    """The argument ``WEIGHTS``."""
    return click.argument(
        "weights", metavar="WEIGHTS", type=click.Path(exists=True, dir_okay=False, path_type=Path)
    )(command)


def extent(_: click.Context, parameter: click.Parameter, value: str | None) -> tuple[int, int] | None:
    """A click callback: rows and columns, from ``32`` or ``32x48``."""
    if value is None:
        return None
    words = value.lower().split("x")
    if len(words) > 2 or not all(
        word.isdecimal() and len(word) < 20 and 0 < int(word) <= LARGEST_SIDE for word in words
    ):
        raise click.BadParameter(
            f"expected rows and columns like 32 or 32x48, got {value!r}", param=parameter
        )
    return int(words[0]), int(words[-1])


def finite(_: click.Context, parameter: click.Parameter, value: float | None) -> float | None:
    """A click callback: a positive number that is neither infinite nor NaN."""
    if value is not None and not (value > 0 and math.isfinite(value)):
        raise click.BadParameter(f"expected a finite number above 0, got {value}", param=parameter)
    return value
