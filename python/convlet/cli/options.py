"""Options that several commands share, and the checks that click lacks."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import click

from ..augment import Augment

__all__ = [
    "LARGEST_SIDE",
    "POSITIVE",
    "augment",
    "data_dir",
    "device",
    "extent",
    "finite",
    "threads",
    "weights",
]

Command = TypeVar("Command", bound=Callable[..., Any])

LARGEST_SIDE = 4096
POSITIVE = click.IntRange(min=1)
_CHANGES: dict[str, Callable[[str], Any]] = {"shift": int, "flip": bool, "rotation": float, "erase": int}


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
    if len(words) > 2 or not all(word.isdecimal() and 0 < int(word) <= LARGEST_SIDE for word in words):
        raise click.BadParameter(
            f"expected rows and columns like 32 or 32x48, got {value!r}", param=parameter
        )
    return int(words[0]), int(words[-1])


def augment(_: click.Context, parameter: click.Parameter, value: str | None) -> dict[str, Any] | None:
    """A click callback: the arguments of :class:`convlet.Augment`, from ``shift=2,rotation=10,flip``."""
    if value is None:
        return None
    given: dict[str, Any] = {}
    try:
        for part in value.split(","):
            name, equals, number = part.strip().partition("=")
            kind = _CHANGES[name]
            if name in given or (kind is bool) == bool(equals):
                raise ValueError(part)
            given[name] = True if kind is bool else kind(number)
    except (KeyError, ValueError) as error:
        raise click.BadParameter(
            f"expected changes like shift=2,rotation=10,flip,erase=8, each once, got {value!r}",
            param=parameter,
        ) from error
    try:
        return asdict(Augment(**given))
    except ValueError as error:
        raise click.BadParameter(str(error), param=parameter) from error


def finite(_: click.Context, parameter: click.Parameter, value: float | None) -> float | None:
    """A click callback: a positive number that is neither infinite nor NaN."""
    if value is not None and not (value > 0 and math.isfinite(value)):
        raise click.BadParameter(f"expected a finite number above 0, got {value}", param=parameter)
    return value
