"""``convlet sweep``: one net for each seed and setting, and a table of what came out."""

from __future__ import annotations

import itertools
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import click

from .. import plots, recipes
from ..sweeps import Result, Table
from ..sweeps import sweep as run_sweep
from ..sweeps.run import MOST_JOBS, SETTINGS, read_settings
from . import options
from .data import data
from .failures import told
from .folders import new_folder
from .run_folder import RunFolder
from .together import together

__all__ = ["sweep"]


class _Numbers(click.ParamType[list[Any]]):
    """``0.3,0.9``, and for whole numbers also ``0-31`` or ``0-3,7``."""

    def __init__(self, kind: type[int] | type[float]) -> None:
        self.kind, self.name = kind, "numbers"

    def convert(
        self, value: Any, parameter: click.Parameter | None, context: click.Context | None
    ) -> list[Any]:
        """The numbers in the order in which they are named."""
        if isinstance(value, list):
            return value
        try:
            numbers = itertools.chain.from_iterable(self._part(part) for part in str(value).split(","))
            found = list(itertools.islice(numbers, MOST_JOBS + 1))
            if len(found) > MOST_JOBS:
                return self.fail(f"expected at most {MOST_JOBS:,} numbers, got more")
            return found
        except ValueError:
            ranges = ", ranges as in 0-31," if self.kind is int else ""
            return self.fail(f"expected numbers{ranges} with commas between them, got {value!r}")

    def _part(self, part: str) -> Sequence[Any]:
        first, dash, last = part.partition("-")
        if self.kind is int and dash:
            if int(last) < int(first):
                raise ValueError(part)
            return range(int(first), int(last) + 1)
        return [self.kind(part)]


@click.command()
@data
@options.data_dir
@click.option("--recipe", type=click.Choice(list(recipes.RECIPES)), help="A published run's settings.")
@click.option("--seeds", metavar="LIST", type=_Numbers(int), help="Of weights and order, as 0-31 or 1,2,5.")
@click.option("--lr", metavar="LIST", type=_Numbers(float), help="Learning rates, as 0.3,0.9.")
@click.option("--batch-size", metavar="LIST", type=_Numbers(int), help="Images a step, as 128,256.")
@click.option("--epochs", metavar="N", type=options.POSITIVE, help="Passes over the training images.")
@click.option("--train-size", metavar="N", type=options.POSITIVE, help="Train on the first N images only.")
@click.option("--workers", metavar="N", type=options.POSITIVE, help="Nets at a time; else one a CPU.")
@click.option("--out", metavar="DIR", type=click.Path(path_type=Path), help="Where the files go.")
@click.option("--resume", is_flag=True, help="Go on with the sweep in --out where it stopped.")
@click.option("--distributed", is_flag=True, help="Use all processes that mpiexec has started.")
def sweep(out: Path | None, resume: bool, distributed: bool, workers: int | None, **given: Any) -> None:
    """Train many nets side by side.

    One net for every combination of seed, learning rate and batch size, each on one CPU thread. Without
    options it trains ten seeds of the recipe d2l on the built-in digits, into runs/<time>-sweep. The table
    says mean, spread and best of the test accuracy; nets that are done are kept if the sweep is stopped.
    """
    if resume and out is None:
        raise click.UsageError("--resume needs --out, the folder of the sweep to go on with")
    with _executor(distributed) as (first, executor):
        if first:
            _sweep(out or new_folder("sweep"), resume, workers, executor, given)


@contextmanager
def _executor(distributed: bool) -> Iterator[tuple[bool, Executor | None]]:
    """Whether this process leads the sweep, and what trains its nets, if other processes of MPI do."""
    if not distributed:
        yield True, None
        return
    with together("convlet sweep --distributed") as team:
        from mpi4py.futures import MPICommExecutor

        with MPICommExecutor() as executor:
            if executor is not None and team.size == 1:
                yield True, None
            else:
                # mpi4py's stubs give the with statement's own object, not what it yields.
                yield executor is not None, cast("Executor | None", executor)


def _sweep(
    out: Path, resume: bool, workers: int | None, executor: Executor | None, given: dict[str, Any]
) -> None:
    settings: dict[str, Any] = {"data": "digits", "recipe": "d2l", "seeds": list(range(10))}
    if resume and (out / SETTINGS).exists():
        settings = dict(read_settings(out / SETTINGS))
        if settings.pop("net", None) is not None:
            raise ValueError(f"{out}: a sweep over a net of its own, which convlet.sweep(...) can go on with")
    settings.update({name: value for name, value in given.items() if value is not None})
    started, done = time.perf_counter(), itertools.count(1)

    def on_result(result: Result) -> None:
        what = f"failed: {result.error}" if result.error else f"test acc {result.accuracy:.3f}"
        click.echo(f"{next(done):>4}  {result.job.name}  {what}  {result.seconds:.1f} s")

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always", RuntimeWarning)
            warnings.showwarning = lambda message, *_: click.echo(f"convlet: {message}", err=True)
            table = run_sweep(
                **settings, out=out, resume=resume, workers=workers, executor=executor, on_result=on_result
            )
    except KeyboardInterrupt:
        click.echo(f"interrupted; to go on: convlet sweep --resume --out {out}", err=True)
        raise
    _show(table)
    _write(table, out, started)
    if table.best is None:
        raise RuntimeError(f"all {len(table.results)} nets failed, the first: {table.results[0].error}")


def _write(table: Table, out: Path, started: float) -> None:
    """Write the table into the folder of the sweep, or where there is room (``OSError``)."""
    names = ["table.json", "table.csv"]
    files = RunFolder(out)

    def write(folder: Path) -> None:
        table.save_json(folder / names[0])
        table.save_csv(folder / names[1])

    files.keep(write)
    try:
        plots.sweep(table, files.path / "sweep.png")
        names.append("sweep.png")
    except (ImportError, OSError, ValueError) as error:
        click.echo(f"no sweep.png: {told(error)}")
    click.echo(f"{time.perf_counter() - started:.1f} s; {', '.join(names)} in {files.path}")
    files.check("the table")


def _show(table: Table) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table as Shown

    shown = Shown(title="test accuracy over the seeds", box=box.SIMPLE)
    spread = ("mean", "sd", "lowest", "highest")
    for name in ("lr", "batch", "nets", "failed", *spread, "best seed", "loss"):
        shown.add_column(name, justify="right", no_wrap=True)
    for group in table.groups():
        figures = (group.mean, group.sd, group.lowest, group.highest)
        shown.add_row(
            f"{group.lr:g}",
            str(group.batch_size),
            str(group.nets),
            str(group.failed),
            *("-" if figure is None else f"{figure:.4f}" for figure in figures),
            "-" if group.best_seed is None else str(group.best_seed),
            "-" if group.loss is None else f"{group.loss:.3f}",
        )
    Console(width=None if sys.stdout.isatty() else 100).print(shown)
    best = table.best
    if best is not None:
        job = best.job
        click.echo(
            f"best: test acc {best.accuracy:.4f} with --lr {job.lr:g} --batch-size {job.batch_size} "
            f"--seed {job.seed}"
        )
