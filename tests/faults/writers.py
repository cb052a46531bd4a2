"""Everything that writes files, each with an old and a new content."""

from __future__ import annotations

import functools
import gzip
import hashlib
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tests.mirrors import Mirror

from convlet import Trainer, nn, optim
from convlet.callbacks import BestCheckpoint, CSVLogger
from convlet.checkpoint import SavedNet, load_checkpoint, load_net, load_weights, save_checkpoint, save_net
from convlet.cli.explain import save_picture
from convlet.datasets import read_idx, write_idx
from convlet.datasets.download import fetch
from convlet.history import History
from convlet.plots.canvas import blank, saved
from convlet.sweeps import Result, Table, sweep
from convlet.sweeps.job import Job

__all__ = ["Writer", "writers"]

Write = Callable[[Path, bool], object]
"""Write the new content, or the old one, into a folder."""

CLASSES = tuple("abcd")
IMAGES = np.random.default_rng(0).integers(0, 256, (64, 1, 8, 8), np.uint8)
LABELS = IMAGES.reshape(64, 4, 16).sum(axis=2).argmax(axis=1)


@dataclass(frozen=True)
class Writer:
    """One way to write files.

    Attributes:
        write: writes the new content or the old one.
        load: reads one of its files, and fails if that is broken.
        exact: whether equal content gives equal bytes.
        again: whether it tries again what has failed, so that a single fault may do no harm.
    """

    write: Write
    load: Callable[[Path], object]
    exact: bool = True
    again: bool = False


@functools.cache
def _trainer(epochs: int) -> Trainer:
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 4)).initialize("xavier_uniform", 0)
    trainer = Trainer(net, optim.SGD(0.1, momentum=0.9), nn.CrossEntropyLoss(), device="cpu", threads=1)
    trainer.fit((IMAGES, LABELS), (IMAGES, LABELS), epochs=epochs, batch_size=16)
    return trainer


def trainer(new: bool) -> Trainer:
    """One that has trained for two epochs, or for one."""
    return _trainer(2 if new else 1)


def _saved(new: bool) -> SavedNet:
    return SavedNet(trainer(new).net, (1, 8, 8), CLASSES)


def _table(new: bool) -> Table:
    job = Job("digits", None, None, None, "d2l", 1, 16, 0.5, 0)
    return Table([Result(job, seconds=1.0, error="none" if new else "one")])


def _picture(path: Path, new: bool) -> None:
    from PIL import Image

    save_picture(Image.new("RGB", (40, 30), "red" if new else "blue"), path)


def _figure(path: Path, new: bool) -> None:
    saved(blank("curves", 1, 1 + new), path)


def _load_picture(path: Path) -> None:
    from PIL import Image

    with Image.open(path) as image:
        image.load()


def _export(path: Path, new: bool) -> None:
    from convlet.onnx import export

    export(trainer(new).net, path, (1, 8, 8))


def _load_onnx(path: Path) -> None:
    import onnx

    onnx.checker.check_model(onnx.load(path))


class Inline(Executor):
    """Does the work at once."""

    def submit(self, work: Callable[..., Any], /, *given: Any, **options: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(work(*given, **options))
        return future


def _sweep(folder: Path, new: bool) -> None:
    data, net = (IMAGES, LABELS), nn.Sequential(nn.Flatten(), nn.Linear(64, 4))
    seeds, resume = range(2 if new else 1), (folder / "sweep.json").exists()
    options = {"epochs": 1, "net": net, "out": folder, "resume": resume, "executor": Inline()}
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)  # the results that are in the table alone
        sweep((data, data), seeds, 0.1, 16, **options)


def _load_of_sweep(path: Path) -> None:
    import json

    load_weights(path) if path.suffix == ".safetensors" else json.loads(path.read_bytes())


def _callback(make: Callable[[Path], Any], path: Path, new: bool) -> None:
    callback, trained = make(path), trainer(new)
    callback.on_start(trained)
    callback.on_epoch(trained.history[-1], trained)
    callback.on_end(trained, None)


def _load_csv(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert lines[0].startswith("epoch,"), lines[0]
    assert all(line.count(",") == lines[0].count(",") for line in lines)


def _file(name: str, write: Callable[[Path, bool], object]) -> Write:
    return lambda folder, new: write(folder / name, new)


@contextmanager
def writers() -> Iterator[dict[str, Writer]]:
    """All of them by name; the server of the downloads stops afterwards."""
    mirror = Mirror()
    arrays = {f"{part}.gz": np.full((5, 28, 28), n, np.uint8) for n, part in enumerate(("images", "labels"))}
    for name, array in arrays.items():
        mirror.files[name] = gzip.compress(array.tobytes(), mtime=0)
    digests = {
        name: f"sha256:{hashlib.sha256(array.tobytes()).hexdigest()}" for name, array in arrays.items()
    }

    def download(folder: Path, new: bool) -> None:
        if new:
            fetch("set", folder, digests, [mirror.address])

    def check_download(path: Path) -> None:
        assert path.read_bytes() == mirror.files[path.name]

    def weights(path: Path, new: bool) -> None:
        trainer(new).net.save(path)

    def table(folder: Path, new: bool) -> None:
        _table(new).save_json(folder / "table.json")
        _table(new).save_csv(folder / "table.csv")

    figures = {
        "history.json": Writer(
            _file("history.json", lambda path, new: trainer(new).history.save(path)), History.load
        ),
        "curves.png": Writer(_file("curves.png", _figure), _load_picture),
        "CSVLogger": Writer(_file("run.csv", functools.partial(_callback, CSVLogger)), _load_csv),
        "table of a sweep": Writer(table, lambda path: path.read_text()),
        "sweep": Writer(_sweep, _load_of_sweep, exact=False, again=True),
    }
    nets = {
        "weights.safetensors": Writer(_file("weights.safetensors", weights), load_weights),
        "weights.npz": Writer(_file("weights.npz", weights), load_weights),
        "save_net": Writer(_file("net.safetensors", lambda p, new: save_net(p, _saved(new))), load_net),
        "save_checkpoint": Writer(
            _file("checkpoint.safetensors", lambda p, new: save_checkpoint(p, trainer(new).checkpoint())),
            load_checkpoint,
        ),
        "BestCheckpoint": Writer(
            _file("best.safetensors", functools.partial(_callback, BestCheckpoint)), load_net
        ),
        "ONNX": Writer(_file("net.onnx", _export), _load_onnx),
    }
    data = {
        "download": Writer(download, check_download),
        "write_idx": Writer(
            _file("images.gz", lambda path, new: write_idx(path, IMAGES[: 8 if new else 4])), read_idx
        ),
        "picture": Writer(_file("seen.png", _picture), _load_picture),
    }
    try:
        yield {**nets, **figures, **data}
    finally:
        mirror.close()
