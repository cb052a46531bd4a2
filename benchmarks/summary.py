"""What many cells come to: how often convlet is faster than PyTorch, by how much, and where it loses."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

RIVAL = "PyTorch"
LOST, BADLY_LOST = 1.0, 0.67
WORST_SHOWN = 10
STEADY = 1.5
"""The fastest repetition of a contender over its slowest, at most, for figures to be believed."""


@dataclass(frozen=True)
class Summary:
    """Ratios by cell, slowest first; over 1 where convlet is faster than the rival at its best."""

    ratios: tuple[tuple[str, float], ...]

    @property
    def median(self) -> float:
        return statistics.median(ratio for _, ratio in self.ratios)

    def under(self, limit: float) -> int:
        return sum(ratio < limit for _, ratio in self.ratios)

    @property
    def worst(self) -> tuple[tuple[str, float], ...]:
        """Every lost cell, and at least some."""
        return self.ratios[: max(WORST_SHOWN, self.under(LOST))]


def ratio(cell: dict[str, Any]) -> float | None:
    """Convlet's speed over that of PyTorch in its better layout; None where PyTorch was not measured."""
    ratios = [row["convlet_is_faster_by"]["median"] for row in cell["rows"] if row["name"].startswith(RIVAL)]
    return min(ratios, default=None)


def summarize(cells: Iterable[dict[str, Any]]) -> Summary | None:
    """Of the cells in which PyTorch was measured; None if there are none."""
    found = [(cell["cell"], value) for cell in cells if (value := ratio(cell)) is not None]
    return Summary(tuple(sorted(found, key=lambda pair: pair[1]))) if found else None


def text(what: str, summary: Summary) -> str:
    """As Markdown; losses are called so."""
    lines = [
        f"{what}, {len(summary.ratios)} cells: convlet is {summary.median:.2f} times as fast as PyTorch in "
        f"its better layout, in the median. Lost (under {LOST:g}): {summary.under(LOST)} cells, of which "
        f"{summary.under(BADLY_LOST)} are under {BADLY_LOST:g}. The worst:",
        "",
    ]
    return "\n".join(lines + [f"- {value:.2f}{mark(value)} {name}" for name, value in summary.worst])


def mark(value: float) -> str:
    return " (lost)" if value < LOST else ""


def sweep(cell: dict[str, Any]) -> list[tuple[str, float]]:
    """For each size of a sweep the time an image, as a multiple of the best size's."""
    rates = [row["images_per_second"]["median"] for row in cell["rows"]]
    return [(row["name"], max(rates) / rate) for row, rate in zip(cell["rows"], rates, strict=True)]


def is_unsteady(cell: dict[str, Any]) -> bool:
    """Whether a contender's repetitions differ so much that something else must have run beside them."""
    rates = [row["images_per_second"]["all"] for row in cell["rows"]]
    return any(max(rate) > STEADY * min(rate) for rate in rates)
