"""``--model FILE``: the net of a run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import click

from .. import nn, recipes
from ..checkpoint import Checkpoint, net_from_json
from ..datasets import Dataset
from ..models import Model
from .settings import Settings

__all__ = ["described", "image_shape", "made", "model"]


def _absolute(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    return None if value is None else str(Path(value).resolve())  # a run goes on from any folder


model = click.option(
    "--model",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False),
    callback=_absolute,
    help="Another net than LeNet: FILE.toml describes its layers; FILE.py is a program of yours that defines "
    "net or build(), and is RUN with all that you may do on this machine.",
)
"""``--model FILE``."""


def described(checkpoint: Checkpoint) -> dict[str, str]:
    """What the notes of a checkpoint say of the net of its run."""
    return {name: checkpoint.notes[name] for name in ("net", "input_shape") if name in checkpoint.notes}


def image_shape(source: Model | None, notes: Mapping[str, str], settings: Settings) -> tuple[int, ...]:
    """What pictures of a folder are brought to: as a model file says, or the notes of a run that goes on."""
    if settings.model is not None and "input_shape" in notes:
        return tuple(json.loads(notes["input_shape"]))
    return settings.image if source is None else source.input_shape


def made(
    source: Model | None, notes: Mapping[str, str], train_set: Dataset, settings: Settings
) -> nn.Sequential:
    """The net of a run: LeNet, that of a file, or the one in the notes of a run that goes on.

    Raises:
        TypeError: a program that makes no net.
        ValueError: a net that does not fit the data.
    """
    classes, image = len(train_set.classes), train_set.images.shape[1:]
    recipe = recipes.get(settings.recipe)
    if settings.model is not None and "net" in notes:
        return net_from_json(notes["net"])
    if source is None:
        net = recipe.net(image[0], classes, image[1:])
    elif image != source.input_shape:
        raise ValueError(
            f"{source.path}: expected a net for images of {image}, as {train_set.name} has, got one for "
            f"{source.input_shape}"
        )
    else:
        net = source.build(classes)
    scheme = source and source.scheme
    return net.initialize(scheme or recipe.scheme, settings.seed)
