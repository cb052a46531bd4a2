"""The command line and the environment, up to the point where a training would begin."""

from __future__ import annotations

import contextlib
import io
import os
from functools import cache
from pathlib import Path
from typing import Any, NoReturn
from unittest import mock

import numpy as np
from PIL import Image

from convlet import Trainer, _core, _settings, checkpoint, cli, datasets, nn
from convlet.datasets import mnist
from convlet.sweeps import run as sweeps_run

from ..mutators.lines import lines_mutator
from ..target import Target
from .descriptions import TOML

__all__ = ["TARGETS"]

_COMMANDS = "train sweep evaluate predict detect export info --help --version -h -- -"
_OPTIONS = """
    --data --data-dir --recipe --epochs --batch-size --lr --seed --train-size --image-size --colour
    --gray --augment --model --device --threads --resume --out --exact --distributed --prepare --invert
    --no-invert --top --explain --explain-to --stride --threshold --overlap --scales --background --onnx
    --opset --seeds --workers
"""
_VALUES = """
    digits mnist pictures . d2l modern 0.5 nan inf 1e400 -0 32x48 0x0 x model.toml cuda cpu auto out
    net.safetensors picture.png digit crop resize none sheet.png 1,0.5 , a net.onnx 0-31 3,3 0-999999 9-
    shift=2,flip rotation=nan erase=99999999999999999999 flip=1
"""
_PAIRS = """
    --epochs=3 --lr=0.1 --seed=5 --threads=1 --device=cpu --out=out --top=1 --stride=1 --batch-size=8
    --recipe=d2l --train-size=9 --scales=2 --prepare=crop --overlap=0 --augment=shift=1,rotation=5
"""
_WORDS = [*(_COMMANDS + _OPTIONS + _VALUES + _PAIRS).split(), "", " ", "ß", "\udcff", "x" * 5000, "9" * 5000]
_SEEDS = (
    "train\n--data\nmnist\n--data-dir\n.\n--epochs\n3\n--lr\n0.5\n--seed\n7\n--out\nout",
    "train\n--train-size\n20\n--batch-size\n8\n--recipe\nmodern\n--threads\n1\n--device\ncpu",
    "train\n--model\nmodel.toml\n--data\nmnist\n--data-dir\n.",
    "train\n--data\npictures\n--image-size\n28x32\n--gray",
    "sweep\n--seeds\n0-3,7\n--lr\n0.3,0.9\n--batch-size\n128\n--epochs\n2\n--workers\n1",
    "evaluate\nnet.safetensors\n--data\nmnist\n--data-dir\n.\n--threads\n1",
    "predict\nnet.safetensors\npicture.png\n--top\n2\n--prepare\nresize",
    "predict\nnet.safetensors\npicture.png\n--explain-to\nsheet.png\n--invert",
    "detect\nnet.safetensors\npicture.png\n--threshold\n0.5\n--scales\n1,0.5\n--stride\n2\n--background\na",
    "export\nnet.safetensors\n--onnx\nnet.onnx\n--opset\n17",
    "info",
)
_ENVIRONMENT = ("CONVLET_THREADS", "OMP_NUM_THREADS", "CONVLET_ISA", "CONVLET_DATA", "XDG_CACHE_HOME")
_SETTINGS = [
    "baseline",
    "avx2",
    "3,2",
    " 4 ",
    "١٢",
    "²",
    "~",
    ":",
    "/nowhere:~nobody",
    "~nobody-at-all",
    "true",
]
_SETTINGS += ["0x10", "+1", "9" * 5000]


class _BeginsError(Exception):
    """What was asked for is well formed: here the training would begin."""


def _begin(*_: Any, **__: Any) -> NoReturn:
    raise _BeginsError


def _download(*_: Any, **__: Any) -> NoReturn:
    raise ConnectionError("no download here")


def _commands() -> list[bytes]:
    return [words.encode() for words in _SEEDS]


@cache
def _digits(train: bool) -> datasets.Dataset:
    return datasets.Digits(train, 20)


def _prepare(folder: Path) -> None:
    """The files that the words name."""
    for train, beginning in ((True, "train"), (False, "t10k")):
        datasets.write_idx(folder / f"{beginning}-images-idx3-ubyte", _digits(train).images[:, 0])
        datasets.write_idx(folder / f"{beginning}-labels-idx1-ubyte", _digits(train).labels.astype(np.uint8))
    net = nn.Sequential(nn.AvgPool2d(4), nn.Flatten(), nn.Linear(49, 10)).initialize(seed=1)
    checkpoint.save_net(
        folder / "net.safetensors", checkpoint.SavedNet(net, (1, 28, 28), tuple("abcdefghij"), {})
    )
    rows, columns = np.mgrid[:20, :24]
    picture = Image.fromarray(np.where(abs(rows - columns) < 2, 255, 0).astype(np.uint8)).resize((32, 32))
    for number in range(4):
        (folder / "pictures" / "ab"[number % 2]).mkdir(parents=True, exist_ok=True)
        picture.save(folder / "pictures" / "ab"[number % 2] / f"{number}.png")
    picture.save(folder / "picture.png")
    (folder / "model.toml").write_text(TOML[1])


def _run_command(data: bytes, folder: Path) -> object:
    """Status 0, 1 or 2, one line for a failure, and no traceback."""
    words = data.decode(errors="surrogateescape").split("\n")
    if any("/" in word or ".." in word or "~" in word or "\0" in word for word in words):
        raise ValueError("words that no process can be given, or that lead out of the folder")
    place = folder / "commands"
    if not place.exists():
        place.mkdir()
        _prepare(place)
    shown, told, begun = io.StringIO(), io.StringIO(), False
    with contextlib.ExitStack() as stack:
        for owner, name, stub in (
            (Trainer, "fit", _begin),
            (sweeps_run, "_run", _begin),
            (mnist, "fetch", _download),
            (datasets, "Digits", lambda train, count=None: _digits(train)[:count]),
        ):
            stack.enter_context(mock.patch.object(owner, name, stub))
        stack.enter_context(contextlib.redirect_stdout(shown))
        stack.enter_context(contextlib.redirect_stderr(told))
        stack.enter_context(contextlib.chdir(place))
        stack.callback(_core.set_threads, 1)
        try:
            status = cli.main(words)
        except _BeginsError:
            begun, status = True, 0
    if begun:
        return None
    lines = [line for line in told.getvalue().splitlines() if not line.startswith(("Usage:", "Try ", "WARN"))]
    assert status in (0, 1, 2), status
    assert status == 0 or any(lines), "no word about the failure"
    assert "Traceback" not in told.getvalue()
    if status:
        raise ValueError(lines[-1])
    return None


def _environments() -> list[bytes]:
    return [
        b"CONVLET_THREADS=2\nCONVLET_ISA=baseline\nCONVLET_DATA=/a:/b",
        b"OMP_NUM_THREADS=3,2\nXDG_CACHE_HOME=/c",
    ]


def _heed_environment(data: bytes, folder: Path) -> object:
    variables = (line.partition("=")[::2] for line in data.decode(errors="surrogateescape").split("\n"))
    named = {name: value for name, value in variables if name in _ENVIRONMENT and "\0" not in value}
    threads, isa = _core.get_threads(), _core.isa()
    others = {name: value for name, value in os.environ.items() if name not in _ENVIRONMENT}
    with mock.patch.dict(os.environ, {**others, **named}, clear=True):
        try:
            _settings.apply()
            return _settings.data_dirs()
        finally:
            _core.set_threads(threads)
            _core.select_isa(isa)


TARGETS = (
    Target("command", _commands, _run_command, mutators=(lines_mutator(_WORDS),), by_bytes=False),
    Target(
        "environment",
        _environments,
        _heed_environment,
        mutators=(lines_mutator([f"{name}={value}" for name in _ENVIRONMENT for value in _SETTINGS]),),
        share=3,
        by_bytes=False,
    ),
)
