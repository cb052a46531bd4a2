"""Nets and unfinished runs as files: what ``evaluate``, ``predict`` and ``--resume`` start from.

Both are safetensors files. Their tensors are arrays and nothing else; what the net is and how far the run has
come stands as JSON in the header's metadata.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import nn
from ._files import Tensors, load_weights, save_weights, weights_from_bytes, weights_to_bytes
from .history import History
from .models import LAYERS
from .nn.module import Op

__all__ = [
    "Checkpoint",
    "SavedNet",
    "checkpoint_from_bytes",
    "checkpoint_to_bytes",
    "describe",
    "load_checkpoint",
    "load_net",
    "load_weights",
    "nest",
    "net_from_json",
    "net_to_json",
    "save_checkpoint",
    "save_net",
    "save_weights",
]

_VERSION = 1
_NET, _RUN = "convlet net", "convlet checkpoint"
_PREFIX = "net."  # of the weights in a checkpoint, beside the optimizer's state
_CORRUPT = (AttributeError, KeyError, OverflowError, RecursionError, TypeError, ValueError)
_LAYERS: dict[str, type[Op]] = {layer.kind: layer for layer in LAYERS.values()}


@dataclass
class SavedNet:
    """A net with its weights, and what there is to know about the images that it was trained on."""

    net: nn.Sequential
    input_shape: tuple[int, ...]
    classes: tuple[str, ...]
    notes: dict[str, str] = field(default_factory=dict)


@dataclass
class Checkpoint:
    """A run between two of its steps: everything that the steps to come depend on, but the data.

    Attributes:
        weights: the parameters by name.
        optimizer: the optimizer's ``state_dict()``.
        epoch: whole epochs done.
        totals: of the epoch under way: steps, images, sum of losses, right answers, as float64.
        seconds: training time of the epoch under way.
        history: the rows of the whole epochs, the run's settings, and its time so far.
        notes: text by name, for whoever wrote the file.
    """

    weights: Tensors
    optimizer: dict[str, Any]
    epoch: int
    totals: NDArray[np.float64]
    seconds: float
    history: History
    notes: dict[str, str] = field(default_factory=dict)


def describe(saved: SavedNet) -> dict[str, str]:
    """Everything about a net but its weights, as text for the header of a file."""
    return {
        **saved.notes,
        "net": net_to_json(saved.net),
        "input_shape": json.dumps(list(saved.input_shape)),
        "classes": json.dumps(list(saved.classes), ensure_ascii=False),
    }


def save_net(path: str | os.PathLike[str], saved: SavedNet) -> None:
    """Write a net so that :func:`load_net` builds it again, whole or not at all.

    Raises:
        TypeError: what is no :class:`SavedNet`.
        OSError: the file cannot be written; a previous one is untouched.
    """
    if not isinstance(saved, SavedNet):
        raise TypeError(f"save_net: expected saved of type SavedNet, got {type(saved).__name__}")
    save_weights(path, saved.net.state_dict(), {**describe(saved), **_stamp(_NET)})


def load_net(path: str | os.PathLike[str]) -> SavedNet:
    """Build the net of a file by :func:`save_net`, or of a checkpoint whose notes are :func:`describe`'s.

    Its layers come from the file, so that no code has to name them. Weights without a description, which
    others wrote, are taken if they fit :func:`convlet.nn.LeNet`.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no such file, or corrupt, or of a version to come.
    """
    tensors, metadata = load_weights(path)
    try:
        if metadata.get("format") == _RUN:
            _check_stamp(metadata, _RUN)
            del metadata["run"]
            tensors = {
                name.removeprefix(_PREFIX): array
                for name, array in tensors.items()
                if name.startswith(_PREFIX)
            }
        elif "net" in metadata:
            _check_stamp(metadata, _NET)
        else:
            return SavedNet(_as_lenet(tensors), (1, 28, 28), tuple("0123456789"))
        net = net_from_json(metadata.pop("net"))
        shape, classes = json.loads(metadata.pop("input_shape")), json.loads(metadata.pop("classes"))
        # Before any memory is taken: a description may claim layers of any size.
        count = sum(array.size for array in tensors.values())
        expected = net.parameter_count + sum(array.size for array in net.buffers().values())
        if count != expected:
            raise ValueError(f"expected {expected} parameters for its net, got {count}")
        net.load_state_dict(tensors)
        if net.plan(tuple(shape)).output_shape != (len(classes),):
            raise ValueError(f"expected a net with an output for each of its {len(classes)} classes")
    except _CORRUPT as error:
        raise ValueError(f"{os.fspath(path)}: {_reason(error)}") from error
    return SavedNet(net, tuple(shape), tuple(map(str, classes)), metadata)


def save_checkpoint(path: str | os.PathLike[str], checkpoint: Checkpoint) -> None:
    """Write an unfinished run so that :func:`load_checkpoint` goes on with it, whole or not at all.

    Raises:
        OSError: the file cannot be written; a previous one is untouched.
    """
    save_weights(path, *_content(checkpoint))


def checkpoint_to_bytes(checkpoint: Checkpoint) -> bytes:
    """What :func:`save_checkpoint` writes, for another process."""
    return weights_to_bytes(*_content(checkpoint))


def _content(checkpoint: Checkpoint) -> tuple[Tensors, dict[str, str]]:
    optimizer = dict(checkpoint.optimizer)
    tensors = {f"{_PREFIX}{name}": array for name, array in checkpoint.weights.items()}
    tensors |= {"optimizer.state": optimizer.pop("state"), "totals": checkpoint.totals}
    run = {
        "optimizer": optimizer,
        "epoch": checkpoint.epoch,
        "seconds": checkpoint.seconds,
        "history": checkpoint.history.to_dict(),
        "within": checkpoint.history.within,
    }
    return tensors, {**checkpoint.notes, "run": json.dumps(run), **_stamp(_RUN)}


def load_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Read what :func:`save_checkpoint` wrote, to the same bits.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no checkpoint, or corrupt, or of a version to come.
    """
    tensors, metadata = load_weights(path)
    try:
        return _checkpoint(tensors, metadata)
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)}: {error}") from error


def checkpoint_from_bytes(data: bytes) -> Checkpoint:
    """What another process wrote by :func:`checkpoint_to_bytes`, to the same bits (``ValueError``)."""
    return _checkpoint(*weights_from_bytes(data))


def _checkpoint(tensors: Tensors, metadata: dict[str, str]) -> Checkpoint:
    try:
        _check_stamp(metadata, _RUN)
        run = json.loads(metadata.pop("run"))
        history = History(
            run["history"]["epochs"],
            run["history"]["config"],
            run["history"]["total_seconds"],
            [(done, loss, accuracy) for done, loss, accuracy in run["within"]],
        )
        optimizer = {**run["optimizer"], "state": tensors.pop("optimizer.state")}
        totals = tensors.pop("totals")
        weights = {name.removeprefix(_PREFIX): array for name, array in tensors.items()}
        if totals.shape != (4,) or totals.dtype != np.float64 or len(history) != run["epoch"]:
            raise ValueError(f"totals of shape {totals.shape} and {len(history)} rows do not go together")
        return Checkpoint(weights, optimizer, run["epoch"], totals, float(run["seconds"]), history, metadata)
    except _CORRUPT as error:
        raise ValueError(_reason(error)) from error


def net_to_json(net: nn.Sequential) -> str:
    """The layers of a net by name, without their weights: ``[{"name": "0", "kind": "conv2d", ...}, ...]``."""
    return json.dumps([{"name": name, **op.spec()} for name, op in net.ops().items()])


def net_from_json(text: str) -> nn.Sequential:
    """A net of the layers that :func:`net_to_json` described, with new weights.

    Raises:
        ValueError: the text describes no net.
    """
    try:
        return nest({layer.pop("name"): _layer(**layer) for layer in json.loads(text)})
    except _CORRUPT as error:
        raise ValueError(f"expected a description of a net, got {text[:80]!r}: {_reason(error)}") from error


def nest(layers: Mapping[str, Op]) -> nn.Sequential:
    """A net of layers by their full names, whose dots say what lies in which inner net: ``features.0``.

    Raises:
        AttributeError: a name for both a layer and a net.
        RecursionError: a name of very many parts.
        TypeError: as AttributeError.
        ValueError: an empty part of a name, or a layer that stands twice.
    """
    tree: dict[str, Any] = {}
    for full_name, layer in layers.items():
        *outer, name = full_name.split(".")
        branch = tree
        for inner in outer:
            branch = branch.setdefault(inner, {})
        branch[name] = layer
    return _sequential(tree)


def _sequential(tree: Mapping[str, Any]) -> nn.Sequential:
    return nn.Sequential({k: _sequential(v) if isinstance(v, dict) else v for k, v in tree.items()})


def _layer(kind: str, **options: Any) -> Op:
    if "kernel" in options:
        options["kernel_size"] = options.pop("kernel")
    if "divisor_override" in options:
        options["divisor_override"] = options["divisor_override"] or None
    if kind == "avg_pool2d":  # PyTorch's has no dilation, and neither has the layer
        del options["dilation"]
    return _LAYERS[kind](**options)


def _as_lenet(tensors: Mapping[str, NDArray[Any]]) -> nn.Sequential:
    net = nn.LeNet()
    try:
        net.load_state_dict(tensors)
    except (TypeError, ValueError) as error:
        raise ValueError(f"no description of its net, and the weights do not fit LeNet: {error}") from error
    return net


def _stamp(kind: str) -> dict[str, str]:
    return {"format": kind, "version": str(_VERSION)}


def _check_stamp(metadata: dict[str, str], kind: str) -> None:
    found, version = metadata.pop("format", "another kind of file"), metadata.pop("version", "")
    if found != kind:
        raise ValueError(f"expected a {kind}, got {found}")
    if version != str(_VERSION):
        raise ValueError(f"expected a {kind} of version {_VERSION}, got version {version}")


def _reason(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)
