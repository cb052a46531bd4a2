"""What a run of ``convlet train`` was asked for, as it is kept and compared when the run goes on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import click

from .. import datasets, recipes
from ..augment import Augment
from ..checkpoint import Checkpoint

__all__ = ["IMAGE_SIZE", "Settings", "resolve", "resolve_again"]

IMAGE_SIZE = (28, 28)
"""What the article's net takes."""
_KEY = "settings"  # in the notes of a checkpoint
_FREE = ("data_dir", "epochs")  # may change when a run goes on


@dataclass(frozen=True)
class Settings:
    """What decides the bits of a run, with what the recipe says where nothing was given."""

    data: str
    data_dir: str | None
    recipe: str
    epochs: int
    batch_size: int
    lr: float
    seed: int
    train_size: int | None
    image_size: tuple[int, int] = IMAGE_SIZE  # of pictures from a folder
    colour: bool = False
    model: str | None = None
    augment: dict[str, Any] | None = None  # the arguments of Augment
    precision: str = "float32"

    @property
    def image(self) -> tuple[int, int, int]:
        """(C, H, W) that pictures of a folder are brought to."""
        return 3 if self.colour else 1, *self.image_size

    @property
    def changes(self) -> Augment | None:
        """What is done to the images that are trained on."""
        return None if self.augment is None else Augment(**self.augment)

    def note(self) -> dict[str, str]:
        """The settings as text, for the notes of a checkpoint."""
        return {_KEY: json.dumps(asdict(self))}


def resolve(given: Mapping[str, Any]) -> Settings:
    """The settings of a new run: what was given, not ``None``, else what the recipe says."""
    data = given["data"] or "digits"
    recipe = recipes.get(given["recipe"] or ("d2l" if data in datasets.NAMES else "modern"))
    return Settings(
        data=data,
        data_dir=given["data_dir"],
        recipe=recipe.name,
        epochs=given["epochs"] or recipe.epochs,
        batch_size=given["batch_size"] or recipe.batch_size,
        lr=given["lr"] or recipe.lr,
        seed=given["seed"] or 0,
        train_size=given["train_size"],
        image_size=given["image_size"] or IMAGE_SIZE,
        colour=given["colour"] or False,
        model=given["model"],
        augment=given["augment"],
        precision=given["precision"] or "float32",
    )


def resolve_again(given: Mapping[str, Any], checkpoint: Checkpoint, path: Path) -> Settings:
    """The settings of a run that goes on: those it had, but for data moved or more epochs.

    Raises:
        click.UsageError: another setting than the run has was given.
        ValueError: the checkpoint was not written by ``convlet train``.
    """
    try:
        own = json.loads(checkpoint.notes[_KEY])
        settings = Settings(**{**own, "image_size": tuple(own.get("image_size", IMAGE_SIZE))})
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: expected a checkpoint by convlet train, got one by others") from error
    had = asdict(settings)
    changes = {name: value for name, value in given.items() if value is not None and value != had[name]}
    for name, value in changes.items():
        if name not in _FREE:
            option = name.replace("_", "-")
            raise click.UsageError(f"--{option} {value}: the run in {path.parent} has --{option} {had[name]}")
    return replace(settings, **changes)
