"""Suite ops: the convolutions of shapes.toml, LeNet's other layers, and a look for cliffs among batches."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import conv
import layers
import shapes
from suite import Entry, Options, entry


def cells(options: Options) -> Iterator[Entry]:
    table = shapes.read()
    for cell in shapes.conv_cells(table):
        yield entry(cell.name, partial(conv.build, cell, options))
    for layer in layers.LAYERS:
        for way in ("forward", "backward"):
            name = f"{layer.name}, {way}, batch 256"
            yield entry(name, partial(layers.build, layer, way, name, options))
    cliffs = table["cliffs"]
    for base, shape in shapes.bases(table).items():
        make = partial(conv.cliff_cell, base, shape, cliffs["batch"], cliffs["worst_ratio"], options.quick)
        yield entry(f"No cliffs, base {base}: {shape}, 1 thread, forward", make)
