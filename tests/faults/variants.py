"""The trainings that are killed: what runs, and what it must leave in the end."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tests.small_mnist import write_small_mnist

from convlet.checkpoint import Checkpoint, load_checkpoint, load_net, load_weights
from convlet.history import History

from .watch import CREATED, RENAMED, watched

__all__ = ["CHECKPOINT", "EPOCHS", "VARIANTS", "Reference", "assert_whole", "begin", "reference", "result_of"]

EPOCHS = 8
CHECKPOINT = "checkpoint.safetensors"
_WEIGHTS = "weights.safetensors"
_LONGEST_SECONDS = 300.0
# `convlet` itself, but for its curves: they are drawn last, take longer than all else, and tell nothing new.
_COMMAND = (
    "import sys; sys.modules['matplotlib'] = None; from convlet.cli import main; sys.exit(main(sys.argv[1:]))"
)
_DROPPING = """
initialize = "kaiming_uniform"
layers = [
  { kind = "Conv2d", out_channels = 8, kernel_size = 5 },
  { kind = "ReLU" },
  { kind = "MaxPool2d", kernel_size = 2 },
  { kind = "Flatten" },
  { kind = "Dropout", p = 0.3 },
  { kind = "Linear" },
]
"""
VARIANTS = {
    "LeNet by SGD": ("--batch-size", "32", "--lr", "0.5"),
    "ReLU and dropout by Adam": ("--recipe", "modern", "--model", "dropping.toml"),
    "the library: momentum, dropout, augmentation": None,
}


@dataclass(frozen=True)
class Reference:
    """What a run leaves that nobody kills, and its times in seconds.

    Attributes:
        result: see :func:`result_of`.
        first: from the start to the first checkpoint.
        rest: from there to the end.
        save: of its slowest save, from the file's creation to its name.
    """

    result: dict[str, Any]
    first: float
    rest: float
    save: float


def begin(variant: str, work: Path, folder: Path) -> subprocess.Popen[str]:
    """Start a training into a folder, or go on with the one that is there."""
    resume = (folder / CHECKPOINT).exists()
    command = [sys.executable]
    options: Sequence[str] | None = VARIANTS[variant]
    if options is None:
        command += [str(Path(__file__).with_name("program.py")), str(folder), str(EPOCHS)]
    else:
        command += ["-c", _COMMAND, "train", "--out", str(folder), "--device", "cpu", "--threads", "1"]
        new = ["--data", "mnist", "--data-dir", ".", "--epochs", str(EPOCHS), *options]
        command += ["--resume"] if resume else new
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(command, cwd=work, text=True, **streams)  # type: ignore[call-overload, no-any-return]


def reference(variant: str, work: Path) -> Reference:
    """Let a training run to its end."""
    work.mkdir(parents=True)
    write_small_mnist(work)
    (work / "dropping.toml").write_text(_DROPPING)
    folder = work / "whole"
    folder.mkdir()
    saves: list[float] = []
    with watched(folder) as watch:
        started = time.monotonic()
        process = begin(variant, work, folder)
        first = 0.0
        for _ in range(EPOCHS):
            watch.wait(CREATED, _LONGEST_SECONDS)
            created = time.monotonic()
            watch.wait(RENAMED, _LONGEST_SECONDS, CHECKPOINT)
            saves.append(time.monotonic() - created)
            first = first or time.monotonic() - started
        told, _ = process.communicate(timeout=_LONGEST_SECONDS)
    seconds = time.monotonic() - started
    assert process.returncode == 0, told
    return Reference(result_of(folder), first, seconds - first, max(saves[1:]))


def result_of(folder: Path) -> dict[str, Any]:
    """Everything that a finished run has left but its times: bytes, arrays as bytes, plain data."""
    checkpoint = load_checkpoint(folder / CHECKPOINT)
    found: dict[str, Any] = {"weights": (folder / _WEIGHTS).read_bytes()}
    found["checkpoint"] = _bits(checkpoint.weights)
    optimizer = dict(checkpoint.optimizer)
    found["optimizer state"] = _bits({"state": optimizer.pop("state")})
    found["optimizer"] = optimizer
    found["totals"] = checkpoint.totals.tolist()
    histories = {"in the checkpoint": checkpoint.history, "history": History.load(folder / "history.json")}
    for name, history in histories.items():
        found[name] = [_without_times(row) for row in history]
        found[f"settings, {name}"] = history.config
    if (folder / "best.safetensors").exists():
        best = load_checkpoint(folder / "best.safetensors")
        found["best"] = best.epoch, _bits(best.weights)
        lines = (folder / "history.csv").read_text().splitlines()
        found["table"] = [line.split(",")[:5] for line in lines]
    return found


def assert_whole(folder: Path) -> Checkpoint:
    """The checkpoint, once every file that is there has turned out to be whole."""
    if (folder / _WEIGHTS).exists():
        load_weights(folder / _WEIGHTS)
    if (folder / "history.json").exists():
        assert len(History.load(folder / "history.json")) == EPOCHS
    if (folder / "best.safetensors").exists():
        load_net(folder / "best.safetensors")
    checkpoint = load_checkpoint(folder / CHECKPOINT)
    assert 0 <= checkpoint.epoch == len(checkpoint.history) <= EPOCHS
    return checkpoint


def _bits(arrays: dict[str, Any]) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    return {name: (str(a.dtype), np.shape(a), np.asarray(a).tobytes()) for name, a in arrays.items()}


def _without_times(row: Any) -> dict[str, Any]:
    return {name: row[name] for name in row if name not in ("seconds", "images_per_second")}
