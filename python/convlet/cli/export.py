"""``convlet export``: trained weights as a model for other programs."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ..checkpoint import load_net
from . import options

__all__ = ["export"]


@click.command()
@options.weights
@click.option(
    "--onnx",
    "target",
    metavar="FILE",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The ONNX file to write.",
)
@click.option("--opset", metavar="N", type=options.POSITIVE, help="Version of ONNX's operators; else 17.")
def export(weights: Path, target: Path, opset: int | None) -> None:
    """Write trained weights as an ONNX model.

    The net in WEIGHTS becomes a file that ONNX Runtime and other programs run on float32 images in 0..1, any
    number of them at a time. The names of the classes stand in the model's metadata.
    """
    from .. import onnx  # a quarter of a second to load

    saved = load_net(weights)
    classes = json.dumps(list(saved.classes), ensure_ascii=False)
    version = onnx.DEFAULT_OPSET if opset is None else opset
    onnx.export(saved.net, target, saved.input_shape, version, {**saved.notes, "classes": classes})
    sizes = ", ".join(map(str, saved.input_shape))
    click.echo(f"{target}  opset {version}, input (N, {sizes}), output (N, {len(saved.classes)})")
