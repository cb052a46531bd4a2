"""``convlet evaluate``: how well trained weights do on a data set."""

from __future__ import annotations

import time
from pathlib import Path

import click

from .. import _core
from .._device import resolve_device
from ..checkpoint import load_net
from . import options
from .data import data, load

__all__ = ["evaluate"]


@click.command()
@options.weights
@data
@options.data_dir
@options.device
@options.threads
def evaluate(weights: Path, data: str | None, data_dir: str | None, device: str, threads: int | None) -> None:
    """Test trained weights.

    Prints the loss and the accuracy of the net in WEIGHTS on a data set's test images; without --data, on
    those of the set that it was trained on.
    """
    device = resolve_device(device)
    if threads is not None:
        _core.set_threads(threads)
    saved = load_net(weights)
    name = data or saved.notes.get("data", "digits")
    test = load(name, False, data_dir, saved.input_shape)
    if len(test.classes) != len(saved.classes):
        raise ValueError(
            f"{weights}: expected a net for the {len(test.classes)} classes of {test.name}, got one for "
            f"{len(saved.classes)}"
        )
    started = time.perf_counter()
    loss, accuracy = saved.net.evaluate(test.images, test.labels, device=device)
    speed = len(test) / (time.perf_counter() - started)
    click.echo(
        f"{test.name}  loss {loss:.3f}  test acc {accuracy:.3f}  {len(test):,} images  {speed:,.0f} images/s"
    )
    if test.classes != saved.classes:
        click.echo(f"the net was trained on other classes: {', '.join(saved.classes)}", err=True)
