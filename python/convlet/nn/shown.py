"""A net as a notebook shows it: for images of which size, if nobody has said?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._html import table
from .conv2d import Conv2d
from .engines import plan
from .flatten import Flatten
from .linear import Linear
from .module import Weighted
from .summary import Summary, summary_of

if TYPE_CHECKING:
    from .network import Network

__all__ = ["html_of"]

_LARGEST_SQUARE = 256


def html_of(net: Network) -> str:
    """The summary for the images that the net was last planned for, or that its layers ask for.

    A dense layer at the beginning says how many numbers it takes. Behind convolutions it says so of what
    they leave, which is taken for the smallest square image that leaves it. Where nothing does, there are
    parameters alone.
    """
    name, ops = type(net).__name__, net.structure.ops
    if net.structure.lazy:
        return table(name, ("", "layer"), [(place, repr(op)) for place, op in ops.items()], words=2)
    if net.last_input_shape is not None:
        shape = net.last_input_shape
        return summary_of(ops, plan(net.structure.sequence, shape)).html(f"{name}, for images of {shape}")
    weighted = [op for op in ops.values() if isinstance(op, Weighted)]
    first = net.structure.entrance
    if weighted and isinstance(weighted[0], Linear) and isinstance(first, Linear | Flatten):
        return summary_of(ops, plan(net.structure.sequence, (weighted[0].in_features,))).html(name)
    if isinstance(first, Conv2d) and any(isinstance(op, Linear) for op in weighted):
        found = _smallest_square(net, first.in_channels)
        if found is not None:
            caption = f"{name}, for images of {found.input_shape}, the smallest squares that it takes"
            return found.html(caption)
    rows = [
        (place, type(op).__name__, f"{op.slot.size:,}" if isinstance(op, Weighted) else "0")
        for place, op in ops.items()
    ]
    return table(
        name, ("", "layer", "parameters"), [*rows, ("", "total", f"{net.parameter_count:,}")], words=2
    )


def _smallest_square(net: Network, channels: int) -> Summary | None:
    """The summary for the smallest square that the layers take, up to 256 pixels wide."""
    for side in range(1, _LARGEST_SQUARE + 1):
        try:
            made = plan(net.structure.sequence, (channels, side, side))
        except ValueError:
            continue
        return summary_of(net.structure.ops, made)
    return None
