"""``convlet predict``: what trained weights see in pictures."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np

from .. import _core
from .._device import resolve_device
from ..checkpoint import load_net
from ..cuda import as_device
from ..pictures import as_text
from . import explain, options, reading
from .failures import tell

__all__ = ["predict"]


@click.command()
@options.weights
@reading.images
@click.option(
    "--prepare",
    "how",
    type=click.Choice(reading.PREPARATIONS),
    help="What is done to a picture; by default what suits the data that the net was trained on.",
)
@reading.invert
@click.option("--top", metavar="N", type=options.POSITIVE, default=3, help="Classes to show.")
@click.option("--explain", "shows", is_flag=True, help="Show in the terminal what the net saw.")
@click.option(
    "--explain-to",
    "sheet",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw what the net saw into a picture file.",
)
@options.device
@options.threads
def predict(
    weights: Path,
    images: tuple[Path, ...],
    how: str | None,
    invert: bool | None,
    top: int,
    shows: bool,
    sheet: Path | None,
    device: str,
    threads: int | None,
) -> int:
    """Tell what is in pictures.

    Prints the likeliest classes of each IMAGE with their probabilities. For a net trained on digits, the
    digit in the picture, of any colours, is cut out, scaled and centred as the data set's makers did
    (--prepare digit). For other nets the picture is stretched to the net's input (resize), cut to its
    proportions (crop), or must have its size (none). A file that cannot be read is told, and the others are
    answered all the same.
    """
    device = resolve_device(device)
    if threads is not None:
        _core.set_threads(threads)
    saved = load_net(weights)
    reading.check_net(weights, saved)
    seen, failed = [], False
    for path, image in reading.readable(images, saved, how or reading.preparation(saved), invert):
        if isinstance(image, Exception):
            tell(image)
            failed = True
            continue
        batch = image[np.newaxis]
        row = saved.net.predict_proba(as_device(batch) if device == "cuda" else batch)[0]
        best = np.argsort(-row, kind="stable")[:top]
        answers = tuple(f"{saved.classes[k]} {row[k]:.1%}" for k in best)
        click.echo("  ".join((str(path), *answers)))
        if shows:
            click.echo(as_text(image))
        if sheet is not None:
            seen.append(explain.Seen(path, image, answers))
    if seen and sheet is not None:
        explain.draw(seen, sheet)
    return int(failed)
