"""The convolutions of shapes.toml as cells: layers, and each axis varied alone about the bases.

A cell that would pass a limit gets a smaller batch, by `fitting_batch`; its name then tells both.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

FILE = Path(__file__).with_name("shapes.toml")
PADDINGS = {"none": lambda kernel: 0, "half": lambda kernel: (kernel - 1) // 2}


class Limits(NamedTuple):
    """What a cell may take at most."""

    memory_bytes: float
    forward_flop: float


@dataclass(frozen=True)
class Shape:
    """A convolution of square float32 images, NCHW."""

    batch: int
    image: int
    channels: tuple[int, int]
    kernel: int
    padding: int
    stride: int

    @property
    def side(self) -> int:
        """Rows and columns of the output."""
        return (self.image + 2 * self.padding - self.kernel) // self.stride + 1

    @property
    def x(self) -> tuple[int, ...]:
        return (self.batch, self.channels[0], self.image, self.image)

    @property
    def w(self) -> tuple[int, ...]:
        return (self.channels[1], self.channels[0], self.kernel, self.kernel)

    @property
    def y(self) -> tuple[int, ...]:
        return (self.batch, self.channels[1], self.side, self.side)

    @property
    def flop(self) -> int:
        """Of an image forward, two a multiply-add; padded taps are counted like all others, as is usual."""
        return 2 * math.prod(self.w[1:]) * math.prod(self.y[1:])

    @property
    def forward_bytes(self) -> int:
        """Of the whole batch: x, w, b and y. Forward and backward together have twice as many."""
        return 4 * (math.prod(self.x) + math.prod(self.w) + self.channels[1] + math.prod(self.y))

    def fits(self, limits: Limits) -> bool:
        return 2 * self.forward_bytes <= limits.memory_bytes and self.batch * self.flop <= limits.forward_flop

    def __str__(self) -> str:
        sizes = f"k{self.kernel} p{self.padding} s{self.stride} {self.image}x{self.image}"
        return f"{self.channels[0]}->{self.channels[1]} {sizes}"


@dataclass
class ConvCell:
    """A convolution to measure. `places` says where it lies on the axes: {"A batch": 17}."""

    title: str
    shape: Shape
    asked_batch: int
    threads: int
    op: str
    places: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        batch = f"batch {self.shape.batch}"
        if self.shape.batch != self.asked_batch:
            batch += f" (for {self.asked_batch}, which passes a limit)"
        threads = f"{self.threads} thread{'s' if self.threads > 1 else ''}"
        return f"{self.title}: {self.shape}, {batch}, {threads}, {self.op}"


def fitting_batch(shape: Shape, limits: Limits) -> int:
    """The shape's batch if it keeps the limits, else the largest power of two that does."""
    if shape.fits(limits):
        return shape.batch
    powers = (2**n for n in reversed(range(shape.batch.bit_length())))
    return next(batch for batch in powers if replace(shape, batch=batch).fits(limits))


def read(path: Path = FILE) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    with path.open("rb") as file:
        return tomllib.load(file)


def limits_of(table: dict[str, Any]) -> Limits:
    return Limits(table["limits"]["memory_mib"] * 2**20, table["limits"]["forward_gflop"] * 1e9)


def conv_cells(table: dict[str, Any]) -> list[ConvCell]:
    """All cells, in the order of the file; none twice."""
    limits = limits_of(table)
    cells: dict[tuple[Shape, int, str], ConvCell] = {}
    for title, asked, threads, places in _asked(table):
        shape = replace(asked, batch=fitting_batch(asked, limits))
        for op in table["ops"]:
            made = ConvCell(title, shape, asked.batch, threads, op)
            cell = cells.setdefault((shape, threads, op), made)
            cell.places.update(places)
    return list(cells.values())


def bases(table: dict[str, Any]) -> dict[str, Shape]:
    layers = {layer["name"]: shape_of(layer) for layer in table["layers"]}
    return {base["name"]: layers[base["layer"]] for base in table["bases"]}


def shape_of(layer: dict[str, Any]) -> Shape:
    sizes = {key: value for key, value in layer.items() if key != "name"}
    return Shape(**{**sizes, "channels": tuple(layer["channels"])})


def _asked(table: dict[str, Any]) -> Iterator[tuple[str, Shape, int, dict[str, Any]]]:
    """Title, shape before the limits, threads and places on the axes."""
    most = max(table["threads"])
    for layer in table["layers"]:
        base = next((base for base in table["bases"] if base["layer"] == layer["name"]), None)
        title = layer["name"] + (f" (base {base['name']})" if base else "")
        for threads in table["threads"]:
            places = {f"{base['name']} {axis}": layer[axis] for axis in table["axes"]} if base else {}
            yield title, shape_of(layer), threads, places if threads == most else {}
    for base in table["bases"]:
        shape = bases(table)[base["name"]]
        for axis, values in table["axes"].items():
            for value in values:
                yield (
                    f"{base['name']} {axis} {_text(value)}",
                    _varied(shape, axis, value, base["padding"]),
                    most,
                    {f"{base['name']} {axis}": value},
                )


def _varied(shape: Shape, axis: str, value: Any, padding: str) -> Shape:
    if axis == "channels":
        return replace(shape, channels=tuple(value))
    if axis == "kernel":
        return replace(shape, kernel=value, padding=PADDINGS[padding](value))
    return replace(shape, **{axis: value})


def _text(value: Any) -> str:
    return "->".join(map(str, value)) if isinstance(value, list) else str(value)
