"""How all pictures look: one colour for each contender, the same in every picture, and plain numbers."""

from __future__ import annotations

from typing import Any

MIB = 2**20
TIMES = "\N{MULTIPLICATION SIGN}"
COLORS = {
    "convlet": "#d55e00",
    "PyTorch": "#0072b2",
    "channels_last": "#56b4e9",
    "torch.compile": "#7b4fa3",
    "JAX": "#009e73",
    "ONNX Runtime": "#cc79a7",
    "NumPy": "#999999",
}
"""Of Okabe and Ito, which the colour-blind can tell apart."""

STYLE: dict[str, Any] = {
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 10,
    "figure.titlesize": 11,
    "font.size": 9.5,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "svg.hashsalt": "convlet",
}


def pyplot() -> Any:
    """Matplotlib's module, without a screen, in this style; `ImportError` where it is not installed."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    plt.rcdefaults()
    plt.rcParams.update(STYLE)
    return plt


def log_axis(axis: Any, low: float, high: float) -> None:
    """Ticks with plain numbers: at powers of ten, and between them where there are few."""
    from matplotlib.ticker import LogLocator

    axis.axes.minorticks_off()
    axis.set_major_locator(LogLocator(subs=(1,) if high > 500 * low else (1, 2, 5), numticks=20))
    axis.set_major_formatter(lambda value, _: plain(value))


def number_axis(axis: Any) -> None:
    """A few ticks, so that large numbers do not touch."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(5))
    axis.set_major_formatter(lambda value, _: plain(value))


def color(name: str) -> str:
    """Of a contender, by its name."""
    if name.startswith("torch.compile"):
        return COLORS["torch.compile"]
    if name.startswith("PyTorch") and "channels_last" in name:
        return COLORS["channels_last"]
    own = {"import torch": "PyTorch", "import jax": "JAX", "import onnxruntime": "ONNX Runtime"}
    name = own.get(name, name)
    return next((COLORS[word] for word in COLORS if word in name), COLORS["NumPy"])


def plain(value: float) -> str:
    """A number as it is read: with thousands' commas, or three digits."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def times(ratio: float) -> str:
    """How many times as fast convlet is."""
    return f"{TIMES}{ratio:.2f}, lost" if ratio < 1 else f"{TIMES}{plain(ratio)}"


def title_of(name: str) -> str:
    return name.replace("->", "→")
