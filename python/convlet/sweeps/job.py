"""One net of a sweep: what it is trained with, and what came out."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import Any

from .. import nn, optim, recipes
from ..checkpoint import net_from_json
from ..datasets import Dataset, load
from ..trainer import Trainer
from . import arrays

__all__ = ["Job", "Result", "run_job"]

_SIZE = (28, 28)  # of the pictures of a folder


@dataclass(frozen=True)
class Job:
    """The settings of one net: plain data, so that any process can train it.

    Attributes:
        data: the name of a data set, a folder of pictures by class, or a name that stands for arrays.
        data_dir: where to look for it first.
        train_size: how many of its images to train on, or all.
        net: the layers as :func:`convlet.checkpoint.net_to_json` describes them; LeNet if there are none.
        recipe: what says how its weights are drawn.
        epochs: passes over the data.
        batch_size: images a step.
        lr: the learning rate.
        seed: of the weights and of the order of the images.
    """

    data: str
    data_dir: str | None
    train_size: int | None
    net: str | None
    recipe: str
    epochs: int
    batch_size: int
    lr: float
    seed: int

    @property
    def name(self) -> str:
        """What tells it from the others of its sweep, and names its file."""
        return f"lr{self.lr!r}-batch{self.batch_size}-seed{self.seed}"


@dataclass(frozen=True)
class Result:
    """What came out of a job.

    Attributes:
        job: its settings.
        epochs: the rows of its history.
        seconds: its time in all, data and tests included.
        error: why it failed, or None.
    """

    job: Job
    epochs: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    error: str | None = None

    @property
    def figures(self) -> dict[str, Any]:
        """The last row, or none if it failed."""
        return {} if self.error or not self.epochs else self.epochs[-1]

    @property
    def accuracy(self) -> float:
        """The test accuracy at the end, 0 to 1; of a failed job NaN."""
        return float(self.figures.get("test_accuracy", float("nan")))


def run_job(job: Job) -> Result:
    """Train one net on one thread. An error becomes part of the result."""
    started = time.perf_counter()
    try:
        train, test = _data(job.data, job.data_dir, job.train_size)
        channels, classes = train.images.shape[1], len(train.classes)
        net = nn.LeNet(channels, classes) if job.net is None else net_from_json(job.net)
        net.initialize(recipes.get(job.recipe).scheme, job.seed)
        trainer = Trainer(net, optim.SGD(job.lr), nn.CrossEntropyLoss(), threads=1)
        history = trainer.fit(train, test, job.epochs, job.batch_size, job.seed)
    except Exception as error:
        told = " ".join(f"{type(error).__name__}: {error}".split())
        return Result(job, seconds=time.perf_counter() - started, error=told)
    return Result(job, [asdict(row) for row in history], time.perf_counter() - started)


@lru_cache(maxsize=1)
def _data(
    name: str, data_dir: str | None, train_size: int | None
) -> tuple[Dataset, Dataset] | tuple[arrays.Arrays, arrays.Arrays]:
    """Loaded once by each process."""
    if data_dir is not None and arrays.is_stored(name):
        own, test_with = arrays.read(data_dir, name)
        return own[:train_size], test_with
    train = load(name, True, data_dir, _SIZE, count=train_size)
    return train, load(name, False, data_dir, _SIZE)
