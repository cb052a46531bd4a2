"""Files of weights: bare tensors, nets with their description, unfinished runs."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import numpy as np

from convlet import Trainer, checkpoint, nn, optim

from ..mutators.archives import mutate_zip
from ..mutators.json_text import mutate_json
from ..target import Target

__all__ = ["TARGETS", "small_net"]

_TENSORS = {
    "0.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "0.bias": np.zeros(2, np.float32),
    "bytes": np.arange(5, dtype=np.uint8),
    "count": np.array(7, np.int64),
    "none": np.zeros((0, 4), np.float64),
}


def small_net() -> nn.Sequential:
    """A net of most kinds of layers, and few weights."""
    return nn.Sequential(
        nn.Normalize([0.5], [0.25]),
        nn.Conv2d(1, 2, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.AvgPool2d(2, 1),
        nn.Dropout(0.25),
        nn.Flatten(),
        nn.Linear(8, 3),
        nn.Softmax(dim=1),
    )


def _header(rng: Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    """The header of a safetensors file changes as JSON, and its length with it, mostly."""
    (count,) = struct.unpack("<Q", data[:8])
    header = mutate_json(rng, data[8 : 8 + count])
    told = len(header) if rng.random() < 0.95 else rng.choice((0, count, len(data), 2**40, 2**63))
    return struct.pack("<Q", told) + header + data[8 + count :]


def _saved(name: str, metadata: dict[str, str] | None = None) -> bytes:
    with TemporaryDirectory() as folder:
        checkpoint.save_weights(Path(folder) / name, _TENSORS, metadata)
        return (Path(folder) / name).read_bytes()


def _safetensors() -> list[bytes]:
    return [_saved("w.safetensors"), _saved("w.safetensors", {"note": "small", "net": '[{"name": "0"}]'})]


def _npz() -> list[bytes]:
    return [_saved("w.npz"), _saved("w.npz", {"note": "small", "list": "[1, 2]"})]


@cache
def _run() -> checkpoint.Checkpoint:
    """A run of one epoch on eight images."""
    images, labels = np.arange(8 * 36, dtype=np.uint8).reshape(8, 1, 6, 6), np.arange(8) % 3
    trainer = Trainer(small_net().initialize(seed=1), optim.SGD(0.1, momentum=0.9), nn.CrossEntropyLoss())
    trainer.fit((images, labels), (images, labels), epochs=1, batch_size=4)
    return trainer.checkpoint()


def _nets() -> list[bytes]:
    saved = checkpoint.SavedNet(small_net().initialize(seed=1), (1, 6, 6), ("a", "b", "c"), {"data": "mine"})
    with TemporaryDirectory() as name:
        folder = Path(name)
        checkpoint.save_net(folder / "n.safetensors", saved)
        checkpoint.save_net(folder / "n.npz", saved)
        notes = checkpoint.describe(saved)
        checkpoint.save_checkpoint(folder / "c.safetensors", replace(_run(), notes=notes))
        return [(folder / file).read_bytes() for file in ("n.safetensors", "n.npz", "c.safetensors")]


def _checkpoints() -> list[bytes]:
    run = _run()
    return [
        checkpoint.checkpoint_to_bytes(run),
        checkpoint.checkpoint_to_bytes(replace(run, notes={"a": "b"})),
    ]


def _load_weights(data: bytes, folder: Path) -> object:
    (folder / "weights").write_bytes(data)
    return checkpoint.load_weights(folder / "weights")


def _load_net(data: bytes, folder: Path) -> object:
    (folder / "net").write_bytes(data)
    saved = checkpoint.load_net(folder / "net")
    return json.dumps(saved.notes), saved.net.state_dict()


def _load_checkpoint(data: bytes, folder: Path) -> object:
    (folder / "run").write_bytes(data)
    return checkpoint.load_checkpoint(folder / "run").history.to_dict()


def _resume(data: bytes, folder: Path) -> object:
    """What a run that goes on does with a checkpoint, before its first step."""
    run = checkpoint.checkpoint_from_bytes(data)
    small_net().load_state_dict(run.weights)
    optim.SGD(0.1, momentum=0.9).load_state_dict(run.optimizer)
    return run


TARGETS = (
    Target("safetensors", _safetensors, _load_weights, mutators=(_header,), share=3, file="weights"),
    Target("npz", _npz, _load_weights, mutators=(mutate_zip,), share=0, file="weights"),
    Target("net", _nets, _load_net, mutators=(_header, _header, mutate_zip), share=0, file="net"),
    Target("checkpoint", _checkpoints, _load_checkpoint, mutators=(_header,), share=0, file="run"),
    Target("resume", _checkpoints, _resume, (TypeError, ValueError), mutators=(_header,), share=0),
)
