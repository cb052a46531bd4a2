"""What a net is made of, as a table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Row", "Summary"]


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
        table = [
            ("", "layer", "output shape", "parameters", "multiply-adds"),
            ("", "input", str(self.input_shape), "", ""),
            *(
                (r.name, r.layer, str(r.output_shape), f"{r.parameters:,}", f"{r.multiply_adds:,}")
                for r in self.rows
            ),
            ("", "total", "", f"{self.parameters:,}", f"{self.multiply_adds:,}"),
        ]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = [_line(cells, widths) for cells in table]
        rule = "-" * max(map(len, lines))
        return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])

    __repr__ = __str__


def _line(cells: Iterable[str], widths: list[int]) -> str:
    """Words to the left, numbers to the right."""
    padded = [
        cell.ljust(width) if n < 3 else cell.rjust(width)
        for n, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "  ".join(padded).rstrip()
