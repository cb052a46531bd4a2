"""The book's pictures. Needs matplotlib, which is loaded when something is drawn."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .._arrays import Numbers, as_array
from ..plots.canvas import blank
from ..plots.live_curves import in_notebook

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..plots.picture import Picture

__all__ = ["Animator", "plot", "pyplot", "set_axes", "set_figsize", "show_images", "use_svg_display"]

_FORMATS = ("-", "m--", "g-.", "r:")

Limits = Sequence[float] | None


def pyplot(op: str) -> Any:
    """Matplotlib's module for pictures on the screen; ``ImportError`` with a remedy where it is missing."""
    try:
        from matplotlib import pyplot as plt
    except ImportError as error:
        raise ImportError(f'{op}: needs matplotlib; pip install "convlet[plots]"') from error
    return plt


def use_svg_display() -> None:
    """Let a notebook show pyplot's figures as SVG; elsewhere nothing happens."""
    if in_notebook():
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        set_matplotlib_formats("svg")


def set_figsize(figsize: tuple[float, float] = (3.5, 2.5)) -> None:
    """Set the size of pyplot's figures from now on, in inches."""
    use_svg_display()
    pyplot("set_figsize").rcParams["figure.figsize"] = figsize


def set_axes(
    axes: Axes,
    xlabel: str | None,
    ylabel: str | None,
    xlim: Limits,
    ylim: Limits,
    xscale: str,
    yscale: str,
    legend: Sequence[str] | None,
) -> None:
    """Set labels, limits, scales and legend of matplotlib's axes at once, and draw a grid."""
    axes.set_xlabel(xlabel or "")
    axes.set_ylabel(ylabel or "")
    axes.set_xscale(xscale)
    axes.set_yscale(yscale)
    if xlim is not None:
        axes.set_xlim(*xlim)
    if ylim is not None:
        axes.set_ylim(*ylim)
    if legend:
        axes.legend(legend)
    axes.grid()


def plot(
    X: Any,
    Y: Any = None,
    xlabel: str | None = None,
    ylabel: str | None = None,
    legend: Sequence[str] | None = None,
    xlim: Limits = None,
    ylim: Limits = None,
    xscale: str = "linear",
    yscale: str = "linear",
    fmts: Sequence[str] = _FORMATS,
    figsize: tuple[float, float] = (3.5, 2.5),
    axes: Axes | None = None,
) -> None:
    """Draw lines.

    Args:
        X: the places of the points, one list for all lines or one for each; or, without ``Y``, their heights.
        Y: the heights of the points: a list of numbers, or one for each line.
        xlabel: below the axis.
        ylabel: beside the axis.
        legend: a name for each line.
        xlim: the ends of the axis.
        ylim: the ends of the axis.
        xscale: ``"linear"`` or ``"log"``.
        yscale: ``"linear"`` or ``"log"``.
        fmts: matplotlib's words for colours and dashes, line after line.
        figsize: in inches.
        axes: where to draw; by default in pyplot's figure.

    Raises:
        ImportError: matplotlib is not installed.
        ValueError: another number of lists in ``X`` than in ``Y``.
    """
    plt = pyplot("plot")
    heights = _lines(X if Y is None else Y)
    places = [np.arange(len(line)) for line in heights] if Y is None else _lines(X)
    if len(places) == 1:
        places *= len(heights)
    if len(places) != len(heights):
        raise ValueError(f"plot: expected X for 1 or {len(heights)} lines, got {len(places)}")
    if axes is None:
        set_figsize(figsize)
        axes = plt.gca()
    assert axes is not None
    axes.cla()
    for n, (x, y) in enumerate(zip(places, heights, strict=True)):
        axes.plot(x, y, fmts[n % len(fmts)])
    set_axes(axes, xlabel, ylabel, xlim, ylim, xscale, yscale, legend)


def show_images(
    imgs: Iterable[Numbers],
    num_rows: int,
    num_cols: int,
    titles: Sequence[str] | None = None,
    scale: float = 1.5,
) -> NDArray[Any]:
    """Draw images in rows and columns.

    Args:
        imgs: images (H, W) or (H, W, 3); those for which there is no room are left out.
        num_rows: how many below each other.
        num_cols: how many side by side.
        titles: a line above each.
        scale: the size of an image in inches.

    Returns:
        Matplotlib's axes, (num_rows * num_cols,).

    Raises:
        ImportError: matplotlib is not installed.
    """
    plt = pyplot("show_images")
    size = (num_cols * scale, num_rows * scale)
    axes = np.atleast_1d(plt.subplots(num_rows, num_cols, figsize=size)[1]).reshape(-1)
    for one in axes:
        one.set_axis_off()
    for n, (one, image) in enumerate(zip(axes, imgs, strict=False)):
        one.imshow(as_array("show_images", "imgs", image))
        if titles:
            one.set_title(titles[n])
    return axes


class Animator:
    """Lines that grow point by point; in a notebook the picture below the cell follows them.

    Args:
        xlabel: below the axis.
        ylabel: beside the axis.
        legend: a name for each line.
        xlim: the ends of the axis.
        ylim: the ends of the axis.
        xscale: ``"linear"`` or ``"log"``.
        yscale: ``"linear"`` or ``"log"``.
        fmts: matplotlib's words for colours and dashes, line after line.
        nrows: axes below each other, the first of which is drawn on.
        ncols: axes side by side.
        figsize: in inches.

    Attributes:
        X: the places of the points of each line.
        Y: the heights of the points of each line.
        fig: matplotlib's figure, which belongs to no window.
        axes: its axes.

    Raises:
        ImportError: matplotlib is not installed.
    """

    def __init__(
        self,
        xlabel: str | None = None,
        ylabel: str | None = None,
        legend: Sequence[str] | None = None,
        xlim: Limits = None,
        ylim: Limits = None,
        xscale: str = "linear",
        yscale: str = "linear",
        fmts: Sequence[str] = _FORMATS,
        nrows: int = 1,
        ncols: int = 1,
        figsize: tuple[float, float] = (3.5, 2.5),
    ) -> None:
        self.fig: Picture = blank("Animator", *figsize, layout="constrained")
        self.axes: list[Axes] = list(self.fig.subplots(nrows, ncols, squeeze=False).reshape(-1))
        self.fmts = fmts
        self.X: list[list[float]] = []
        self.Y: list[list[float]] = []
        self._look = (xlabel, ylabel, xlim, ylim, xscale, yscale, legend)
        self._shown: Any = None

    def add(self, x: Any, y: Any) -> None:
        """Add a point to each line: one height or several, at one place or at several; ``None`` adds none."""
        heights = list(y) if hasattr(y, "__len__") else [y]
        places = list(x) if hasattr(x, "__len__") else [x] * len(heights)
        if len(places) != len(heights) or (self.Y and len(heights) != len(self.Y)):
            expected = len(self.Y) or len(heights)
            raise ValueError(
                f"Animator.add: expected a place and a height for each of {expected} lines, "
                f"got {len(places)} and {len(heights)}"
            )
        self.X = self.X or [[] for _ in heights]
        self.Y = self.Y or [[] for _ in heights]
        for n, (place, height) in enumerate(zip(places, heights, strict=True)):
            if place is not None and height is not None and math.isfinite(place):
                self.X[n].append(float(place))
                self.Y[n].append(float(height))
        self._draw()

    def _draw(self) -> None:
        axes = self.axes[0]
        axes.cla()
        for n, (places, heights) in enumerate(zip(self.X, self.Y, strict=True)):
            axes.plot(places, heights, self.fmts[n % len(self.fmts)])
        set_axes(axes, *self._look)
        if not in_notebook():
            return
        from IPython.display import display

        if self._shown is None:
            self._shown = display(self.fig, display_id=True)
        else:
            self._shown.update(self.fig)


def _lines(values: Any) -> list[NDArray[Any]]:
    """One line of numbers, or several."""
    several = len(values) and all(hasattr(value, "__len__") for value in values)
    return [np.asarray(value) for value in values] if several else [np.asarray(values)]
