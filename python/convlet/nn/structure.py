"""A net seen as the list of its ops, whatever nets are nested in it."""

from __future__ import annotations

from typing import NamedTuple

from .adaptive_avg_pool2d import AdaptiveAvgPool2d
from .adaptive_max_pool2d import AdaptiveMaxPool2d
from .avg_pool2d import AvgPool2d
from .conv2d import Conv2d
from .flatten import Flatten
from .lazy import Lazy
from .linear import Linear
from .max_pool2d import MaxPool2d
from .module import Op, Weighted
from .normalize import Normalize
from .parameters import Slots
from .softmax import LogSoftmax, Softmax

__all__ = ["POOLINGS", "Structure", "structure_of"]

POOLINGS = (MaxPool2d, AvgPool2d, AdaptiveMaxPool2d, AdaptiveAvgPool2d)


class Structure(NamedTuple):
    """Ops by name in the order of their work, and what follows from them."""

    ops: dict[str, Op]
    sequence: tuple[Op, ...]
    """The ops without their names."""
    slots: Slots
    """Where the parameters lie, in the order of the ops."""
    entrance: Op | None
    """The first op that does not take every shape: it decides what the net takes."""
    lazy: bool
    """Whether some of them have not seen their first images yet."""


def structure_of(ops: dict[str, Op]) -> Structure:
    """The structure of these ops; ``ValueError`` if one with parameters is among them twice."""
    places: dict[int, str] = {}
    slots = Slots()
    for name, op in ops.items():
        if not isinstance(op, Weighted):
            continue
        if id(op) in places:
            raise ValueError(
                f"Sequential: expected each layer with parameters once, got the same {op} as layers "
                f"{places[id(op)]} and {name}"
            )
        places[id(op)] = name
        if not isinstance(op, Lazy):
            slots.append(op.slot)
    particular = (Conv2d, Normalize, *POOLINGS, Linear, Flatten, Softmax, LogSoftmax)
    entrance = next((op for op in ops.values() if isinstance(op, particular)), None)
    lazy = any(isinstance(op, Lazy) for op in ops.values())
    return Structure(ops, tuple(ops.values()), slots, entrance, lazy)
