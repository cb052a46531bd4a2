"""``convlet predict``: what trained weights see in pictures."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np

from .. import _core, datasets
from .._device import resolve_device
from ..checkpoint import SavedNet, load_net
from . import options
from .data import is_light

__all__ = ["predict"]

_SHOWN = 3


@click.command()
@options.weights
@click.argument(
    "images",
    metavar="IMAGE...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@click.option(
    "--invert/--no-invert",
    default=None,
    help="Swap dark and light; without either, where a picture's border is unlike those trained on.",
)
@options.device
@options.threads
def predict(
    weights: Path, images: tuple[Path, ...], invert: bool | None, device: str, threads: int | None
) -> None:
    """Tell what is in pictures.

    Prints the three likeliest classes of each IMAGE with their probabilities. A picture is stretched to the
    net's input, and made gray if the net was trained on gray ones.
    """
    resolve_device(device)
    if threads is not None:
        _core.set_threads(threads)
    saved = load_net(weights)
    if len(saved.input_shape) != 3 or saved.input_shape[0] not in (1, 3):
        raise ValueError(f"{weights}: expected a net for gray or colour pictures, got {saved.input_shape}")
    pictures = np.stack([_read(path, saved, invert) for path in images])
    likelihoods = saved.net.predict_proba(pictures)
    for path, row in zip(images, likelihoods, strict=True):
        best = np.argsort(-row, kind="stable")[:_SHOWN]
        found = "  ".join(f"{saved.classes[k]} {row[k]:.1%}" for k in best)
        click.echo(f"{path}  {found}")


def _read(
    path: Path, saved: SavedNet, invert: bool | None
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """One picture (C, H, W) as the net's training images looked."""
    channels, height, width = saved.input_shape
    image = datasets.read_image(path, (height, width), "L" if channels == 1 else "RGB")
    wanted = saved.notes.get("background", "mixed")
    if invert is None:
        invert = wanted != "mixed" and is_light(image) != (wanted == "light")
    return 255 - image if invert else image
