"""``convlet detect``: where in a picture a trained net sees what it knows."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..checkpoint import load_net
from ..detect import Box
from ..detect import detect as find
from . import explain, options, reading

__all__ = ["detect"]

# Colours of labels, that stay apart for colour-blind readers (Okabe and Ito) and show on light and dark.
_COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")


def _scales(_: click.Context, parameter: click.Parameter, value: str) -> tuple[float, ...]:
    """A click callback: numbers above 0, with commas between."""
    try:
        scales = tuple(float(word) for word in value.split(","))
    except ValueError:
        raise click.BadParameter(f"expected numbers like 1,0.7,0.5, got {value!r}", param=parameter) from None
    if not all(1 / 64 <= scale <= 64 for scale in scales):
        raise click.BadParameter(f"expected numbers from 1/64 to 64, got {value!r}", param=parameter)
    return scales


@click.command()
@options.weights
@click.argument("image", metavar="IMAGE", type=click.Path(path_type=Path))
@click.option("--threshold", type=click.FloatRange(0, 1), default=0.9, help="The least probability to show.")
@click.option(
    "--overlap", type=click.FloatRange(0, 1), default=0.3, help="The most that two boxes may share of both."
)
@click.option(
    "--stride", metavar="N", type=options.POSITIVE, help="Pixels between windows; else the net's own."
)
@click.option(
    "--scales", metavar="X,...", default="1", callback=_scales, help="Stretch the picture by these too."
)
@click.option(
    "--background", metavar="CLASS", help="The class of what is nothing; else background, if there is one."
)
@reading.invert
@click.option(
    "--out",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw the picture with the boxes into a file.",
)
@options.threads
def detect(
    weights: Path,
    image: Path,
    threshold: float,
    overlap: float,
    stride: int | None,
    scales: tuple[float, ...],
    background: str | None,
    invert: bool | None,
    out: Path | None,
    threads: int | None,
) -> None:
    """Find what a net knows in a picture.

    The net in WEIGHTS slides over IMAGE. Prints a line for each thing found, the likeliest first: its class,
    its probability, and its place: the top, left, height and width of the box around it, in pixels.
    """
    if threads is not None:
        _core.set_threads(threads)
    saved = load_net(weights)
    reading.check_net(weights, saved)
    nothing = background or ("background" if "background" in saved.classes else None)
    if nothing is not None and nothing not in saved.classes:
        raise click.UsageError(f"--background {nothing}: the net's classes are {', '.join(saved.classes)}")
    pixels = reading.read(image, saved, invert)
    boxes = find(
        saved.net,
        pixels,
        saved.input_shape[1:],
        stride,
        threshold,
        overlap,
        None if nothing is None else saved.classes.index(nothing),
        scales,
    )
    for box in boxes:
        place = f"{box.top:.0f} {box.left:.0f} {box.height:.0f} {box.width:.0f}"
        click.echo(f"{saved.classes[box.label]} {box.score:.1%}  {place}")
    click.echo(f"{image}: {len(boxes)} found", err=True)
    if out is not None:
        explain.save_picture(_drawn(reading.read(image, saved, False), boxes, saved.classes), out)


def _drawn(pixels: NDArray[np.uint8], boxes: list[Box], classes: tuple[str, ...]) -> object:
    """The picture with its boxes and their labels."""
    from PIL import Image, ImageDraw

    colours = np.broadcast_to(pixels, (3, *pixels.shape[1:])).transpose(1, 2, 0)
    picture = Image.fromarray(np.ascontiguousarray(colours))
    pen = ImageDraw.Draw(picture)
    for box in reversed(boxes):  # the likeliest on top
        colour = _COLOURS[box.label % len(_COLOURS)]
        corners = box.left, box.top, box.left + box.width - 1, box.top + box.height - 1
        pen.rectangle(corners, outline=colour, width=max(2, round(box.height / 28)))
        name, font = classes[box.label], explain.font(max(10, round(box.height / 3)))
        left, top, right, bottom = pen.textbbox((box.left, box.top), name, font)
        up = (
            bottom - box.top + 2 if bottom - box.top + 2 <= box.top else 0
        )  # above the box, where there is room
        pen.rectangle((left, top - up, right + 4, bottom + 2 - up), fill=colour)
        pen.text((box.left + 2, box.top - up), name, fill="black", font=font)
    return picture
