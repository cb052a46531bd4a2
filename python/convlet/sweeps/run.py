"""A sweep: its jobs, those that are done already, and the files of both."""

from __future__ import annotations

import itertools
import json
import os
import reprlib
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack, closing
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, SupportsFloat, SupportsIndex

from .. import _settings, recipes
from .._arrays import choice, flag, function, integer, real
from .._files import check_folder, write_atomically
from ..checkpoint import net_to_json
from ..datasets import NAMES
from ..history import row_from_dict
from ..nn import Sequential
from ..trainer import Data
from . import arrays
from .job import Job, Result
from .pool import by_executor, in_processes
from .table import Table

__all__ = ["MOST_JOBS", "SETTINGS", "read_result", "read_settings", "sweep"]

SETTINGS = "sweep.json"
MOST_JOBS = 100_000
"""The nets of a sweep, each of which is a file."""
_RUNS = "runs"
_AXES = {"seed": "seeds", "lr": "lr", "batch_size": "batch_size"}
"""What the nets of a sweep differ in, and the argument that says it."""


def sweep(
    data: str | tuple[Data, Data] = "digits",
    seeds: Iterable[SupportsIndex] = range(10),
    lr: SupportsFloat | Iterable[SupportsFloat] | None = None,
    batch_size: SupportsIndex | Iterable[SupportsIndex] | None = None,
    *,
    recipe: str = "d2l",
    epochs: int | None = None,
    train_size: int | None = None,
    net: Sequential | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    out: str | os.PathLike[str] | None = None,
    resume: bool = False,
    workers: int | None = None,
    executor: Executor | None = None,
    on_result: Callable[[Result], object] | None = None,
) -> Table:
    """Train a net for every combination of seed, learning rate and batch size, many at a time.

    Each net is trained on one thread, with the same bits as :class:`convlet.Trainer` gives it alone. A net
    that fails, or whose process dies, has its error in the table; the others go on. A script must call this
    under ``if __name__ == "__main__":``, since each process imports it anew.

    Args:
        data: the name of a data set, or a folder of pictures by class, which every process loads; or
            ``(train, test)``, each a data set or ``(images, labels)``, of which ``out`` gets a copy.
        seeds: of the weights and of the order of the images.
        lr: learning rates; the recipe's if there are none.
        batch_size: images a step, one or several numbers; the recipe's if there is none.
        recipe: what says the settings that are not given, and how weights are drawn.
        epochs: passes over the data, or the recipe's.
        train_size: train on so many images only.
        net: the layers to train, :func:`convlet.nn.LeNet` if there are none; its weights do not matter.
        data_dir: where to look for the data first.
        out: a folder that keeps every result as soon as there is one. Without it, nothing is written.
        resume: go on with the sweep in ``out``: nets that are done are not trained again, those that had
            failed are. There may be other seeds, learning rates and batch sizes than before.
        workers: processes; as many as CPUs may be used, if there is no number.
        executor: what runs the jobs instead, such as ``mpi4py.futures.MPIPoolExecutor``.
        on_result: called with each new :class:`convlet.sweeps.Result`.

    Returns:
        The table of all results, in the order of the jobs. Of those that could not be written into ``out``,
        at once or in the end, a ``RuntimeWarning`` tells.

    Raises:
        KeyboardInterrupt: at Ctrl-C; what is done is in ``out``.
        OSError: ``out`` cannot be written to at the beginning.
        TypeError: an argument of another type.
        ValueError: an argument out of range, a folder that holds a sweep already, or one with other settings.
        RuntimeError: no process can be started.
    """
    resume = flag("sweep", "resume", resume)
    if net is not None and not isinstance(net, Sequential):
        raise TypeError(f"sweep: expected net of type Sequential, got {type(net).__name__}")
    if executor is not None and not callable(getattr(executor, "submit", None)):
        raise TypeError(f"sweep: expected executor with a method submit, got {type(executor).__name__}")
    if on_result is not None:
        function("sweep", "on_result", on_result)
    with ExitStack() as stack:
        if not isinstance(data, str):
            data_dir = out or stack.enter_context(TemporaryDirectory())
            check_folder(data_dir)
            data = arrays.store(data, Path(data_dir))
        jobs = _jobs(data, seeds, lr, batch_size, recipe, epochs, train_size, net, data_dir)
        return _run(jobs, out, resume, workers, executor, on_result)


def _run(
    jobs: Sequence[Job],
    out: str | os.PathLike[str] | None,
    resume: bool,
    workers: int | None,
    executor: Executor | None,
    on_result: Callable[[Result], object] | None,
) -> Table:
    count = _settings.usable_cpus() if workers is None else integer("sweep", "workers", workers)
    kept = {} if out is None else _kept(Path(out), jobs, resume)
    left = [job for job in jobs if job not in kept]
    unkept: list[Result] = []
    try:
        with closing(
            in_processes(left, count) if executor is None else by_executor(left, executor)
        ) as results:
            for result in results:
                if out is not None and _failure(Path(out), result):
                    unkept.append(result)  # the nets to come are worth more than an early end
                kept[result.job] = result
                if on_result is not None:
                    on_result(result)
    finally:
        failures = [error for result in unkept if (error := _failure(Path(out or ""), result))]
        if failures:
            warnings.warn(
                f"{failures[0].strerror}; what became of {len(failures)} nets is not in a file, and resuming "
                "trains them again",
                RuntimeWarning,
                stacklevel=3,
            )
    return Table([kept[job] for job in jobs])


def _jobs(
    data: str,
    seeds: Iterable[SupportsIndex],
    lr: SupportsFloat | Iterable[SupportsFloat] | None,
    batch_size: SupportsIndex | Iterable[SupportsIndex] | None,
    recipe: str,
    epochs: int | None,
    train_size: int | None,
    net: Sequential | None,
    data_dir: str | os.PathLike[str] | None,
) -> list[Job]:
    """The jobs of a sweep, checked; arguments as those of :func:`sweep`."""
    told = recipes.get(choice("sweep", "recipe", recipe, tuple(recipes.RECIPES)))
    named = data in NAMES or arrays.is_stored(data)
    if not named and not Path(data).expanduser().is_dir():
        raise ValueError(f"sweep: expected data of {', '.join(NAMES)} or a folder of pictures, got {data!r}")
    place = data if named else str(Path(data).expanduser().resolve())
    rates = [real("sweep", "lr", rate, low=0.0) for rate in _several(told.lr if lr is None else lr)]
    sizes = _several(told.batch_size if batch_size is None else batch_size)
    batches = [integer("sweep", "batch_size", size) for size in sizes]
    numbers = [integer("sweep", "seeds", seed, 0, 2**64 - 1) for seed in _several(seeds)]
    axes: dict[str, list[Any]] = {"seeds": numbers, "lr": rates, "batch_size": batches}
    for name, values in axes.items():
        if len(set(values)) != len(values) or not values:
            raise ValueError(f"sweep: expected {name} that differ, at least one, got {values}")
    if len(numbers) * len(rates) * len(batches) > MOST_JOBS:
        raise ValueError(
            f"sweep: expected at most {MOST_JOBS:,} nets, got {len(numbers)} seeds x {len(rates)} "
            f"learning rates x {len(batches)} batch sizes"
        )
    return [
        Job(
            data=place,
            data_dir=None if data_dir is None else str(Path(data_dir).resolve()),
            train_size=None if train_size is None else integer("sweep", "train_size", train_size),
            net=None if net is None else net_to_json(net),
            recipe=recipe,
            epochs=told.epochs if epochs is None else integer("sweep", "epochs", epochs),
            batch_size=size,
            lr=rate,
            seed=seed,
        )
        for rate, size, seed in itertools.product(rates, batches, numbers)
    ]


def _several(values: Any) -> list[Any]:
    """One value or several, as a list; a text is one, and no number."""
    single = isinstance(values, str | bytes) or getattr(values, "ndim", 1) == 0
    return list(values) if isinstance(values, Iterable) and not single else [values]


def _kept(out: Path, jobs: Sequence[Job], resume: bool) -> dict[Job, Result]:
    """The results in the folder of a sweep that these jobs go on with, or a new folder for them."""
    common = {name: value for name, value in _settings_of(jobs[0]).items() if name not in _AXES}
    axes = {name: sorted({getattr(job, field) for job in jobs}) for field, name in _AXES.items()}
    path = out / SETTINGS
    if path.exists() and not resume:
        raise ValueError(f"sweep: {out} holds a sweep already; resume it, or choose another folder")
    if resume:
        if not path.exists():
            raise ValueError(f"sweep: expected a sweep to resume in {out}, found no {SETTINGS}")
        before = read_settings(path)
        for name, value in common.items():
            if before.get(name) != value:
                raise ValueError(f"sweep: the sweep in {out} has {name} {before.get(name)}, got {value}")
    check_folder(out / _RUNS)
    settings = {**common, "data_dir": jobs[0].data_dir, **axes}
    write_atomically(path, (json.dumps(settings, indent=2) + "\n").encode())
    kept = {}
    for job in jobs:
        file = out / _RUNS / f"{job.name}.json"
        if file.exists() and (result := read_result(file, job)).error is None:
            kept[job] = result
    return kept


def _settings_of(job: Job) -> dict[str, Any]:
    """What a job's result depends on: not the place of the data."""
    settings = asdict(job)
    del settings["data_dir"]
    return settings


def read_settings(path: Path) -> Mapping[str, Any]:
    """What a sweep was asked for, from its file (``ValueError``)."""
    try:
        settings = json.loads(path.read_bytes())
        if not isinstance(settings, dict):
            raise ValueError(f"JSON of the type {type(settings).__name__}")
        return settings
    except (RecursionError, ValueError) as error:
        raise ValueError(f"{path}: expected the settings of a sweep, got {error}") from error


def _failure(out: Path, result: Result) -> OSError | None:
    """Write a result; the error if that fails."""
    content = {**asdict(result), "job": _settings_of(result.job)}
    try:
        write_atomically(out / _RUNS / f"{result.job.name}.json", (json.dumps(content) + "\n").encode())
    except OSError as error:
        return error
    return None


def read_result(path: Path, job: Job) -> Result:
    """What a job has come to, from its file (``ValueError``)."""
    try:
        content = json.loads(path.read_bytes())
        if content["job"] != _settings_of(job):
            raise ValueError(f"one of {content['job']}")
        failure, rows = content["error"], [asdict(row_from_dict(row)) for row in content["epochs"]]
        if failure is not None and not isinstance(failure, str):
            raise ValueError(f"an error {reprlib.repr(failure)}")
        if failure is None and (not rows or rows[-1]["test_accuracy"] is None):
            raise ValueError("no test accuracy")
        return Result(job, rows, float(content["seconds"]), failure)
    except (KeyError, OverflowError, RecursionError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: expected the result of {job.name}, got {error}") from error
