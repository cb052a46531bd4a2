"""What a net is made of, as a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .. import _core
from .._html import table
from .module import Op

__all__ = ["Row", "Summary", "summary_of"]

_HEAD = ("", "layer", "output shape", "parameters", "multiply-adds")


@dataclass(frozen=True)
class Row:
    """One layer: its name in the net, its kind, and for one image its output's shape and its work."""

    name: str
    layer: str
    output_shape: tuple[int, ...]
    parameters: int
    multiply_adds: int


@dataclass(frozen=True, repr=False)
class Summary:
    """The layers of a net for images of one shape; printing it shows the table.

    Shapes are without the batch. Multiply-adds are those of the forward pass of one image; only convolutions
    and dense layers have them.
    """

    input_shape: tuple[int, ...]
    rows: tuple[Row, ...]

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The shape of the last layer's output."""
        return self.rows[-1].output_shape if self.rows else self.input_shape

    @property
    def parameters(self) -> int:
        """How many numbers are trained."""
        return sum(row.parameters for row in self.rows)

    @property
    def multiply_adds(self) -> int:
        """Of one image on its way forward."""
        return sum(row.multiply_adds for row in self.rows)

    def __str__(self) -> str:
        cells = [_HEAD, *self._cells()]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = [_line(row, widths) for row in cells]
        rule = "-" * max(map(len, lines))
        return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """The table, for a notebook."""
        return self.html("")

    def html(self, caption: str) -> str:
        """The table below a caption."""
        return table(caption, _HEAD, self._cells(), words=3)

    def _cells(self) -> list[tuple[str, ...]]:
        return [
            ("", "input", str(self.input_shape), "", ""),
            *(
                (r.name, r.layer, str(r.output_shape), f"{r.parameters:,}", f"{r.multiply_adds:,}")
                for r in self.rows
            ),
            ("", "total", "", f"{self.parameters:,}", f"{self.multiply_adds:,}"),
        ]


def summary_of(ops: Mapping[str, Op], plan: _core.Plan) -> Summary:
    """The table of ops by name and of their plan."""
    rows = (
        Row(name, type(op).__name__, tuple(step["output_shape"]), step["parameters"], step["multiply_adds"])
        for (name, op), step in zip(ops.items(), plan.layers, strict=True)
    )
    return Summary(tuple(plan.input_shape), tuple(rows))


def _line(cells: Iterable[str], widths: list[int]) -> str:
    """Words to the left, numbers to the right."""
    padded = [
        cell.ljust(width) if n < 3 else cell.rjust(width)
        for n, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "  ".join(padded).rstrip()
