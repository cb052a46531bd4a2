"""Pictures of a suite's figures, with matplotlib: which pictures a suite has, and the bars."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import plots_ops
from plot_style import COLORS, MIB, color, log_axis, number_axis, plain, pyplot, times, title_of

Cell = dict[str, Any]
MOST_IN_A_COLUMN = 6
Figures = Iterator[tuple[str, Any]]
"""A name and a matplotlib figure."""


def draw(result: dict[str, Any], folder: Path, kind: str = "svg") -> list[Path]:
    """Every picture that the figures are enough for, as files; `ImportError` without matplotlib."""
    plt = pyplot()
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, figure in figures(plt, result):
        written.append(folder / f"{result['suite']}{name}.{kind}")
        figure.savefig(written[-1], dpi=150, metadata={"Date": None} if kind == "svg" else None)
        plt.close(figure)
    return written


def figures(plt: Any, result: dict[str, Any]) -> Figures:
    of_kind: dict[str, list[Cell]] = {}
    for cell in result["cells"]:
        of_kind.setdefault(cell.get("kind", "rivals"), []).append(cell)
    if convolutions := of_kind.get("convolution"):
        yield from plots_ops.convolutions(plt, convolutions, result.get("stream_gigabytes_per_second", {}))
    rivals = of_kind.get("rivals", [])
    if result["suite"] == "scale" and rivals:
        yield "-threads", threads(plt, rivals)
    elif rivals:
        yield "-bars", bars(plt, rivals)
    if sweeps := of_kind.get("sweep"):
        yield "-sweep", sweep(plt, sweeps)
    if costs := of_kind.get("costs"):
        yield "-bars", cost_bars(plt, costs)


def bars(plt: Any, cells: list[Cell]) -> Any:
    """Images/s of every contender, a panel for each cell; the whiskers reach from the worst to the best."""
    columns = 2 if len(cells) > MOST_IN_A_COLUMN else 1
    sizes = [max(len(cell["rows"]) for cell in cells[n : n + columns]) for n in range(0, len(cells), columns)]
    figure, axes = plt.subplots(
        len(sizes),
        columns,
        figsize=(7 * columns if columns > 1 else 8.5, sum(0.34 * size + 1.0 for size in sizes)),
        height_ratios=[size + 0.6 for size in sizes],
        squeeze=False,
        layout="constrained",
    )
    for ax in axes.flat[len(cells) :]:
        ax.remove()
    for cell, ax in zip(cells, axes.flat, strict=False):
        rows = cell["rows"]
        rates = [row["images_per_second"] for row in rows]
        colors = [color(row["name"]) for row in rows]
        ax.barh([row["name"] for row in rows], [rate["median"] for rate in rates], color=colors, height=0.72)
        top = max(rate["max"] for rate in rates)
        for place, (row, rate) in enumerate(zip(rows, rates, strict=True)):
            ax.plot([rate["min"], rate["max"]], [place, place], color="black", linewidth=1)
            text = plain(rate["median"])
            if place:
                text += f"   ({times(row['convlet_is_faster_by']['median'])})"
            ax.text(rate["max"] + 0.01 * top, place, text, va="center", fontsize="small")
        ax.set_xlim(0, 1.33 * top)
        ax.invert_yaxis()
        number_axis(ax.xaxis)
        ax.set_title(title_of(cell["cell"]), loc="left")
        ax.grid(axis="y", visible=False)
    figure.supxlabel("images/s; in brackets, how many times as fast convlet is", fontsize="medium")
    return figure


def threads(plt: Any, cells: list[Cell]) -> Any:
    """How much faster many threads are than one, for small and large work."""
    figure, ax = plt.subplots(figsize=(8.5, 1.1 + 0.34 * len(cells)), layout="constrained")
    for place, cell in enumerate(cells):
        ratio = cell["rows"][1]["convlet_is_faster_by"]
        ax.barh(place, ratio["median"], color=COLORS["convlet"], height=0.72)
        ax.plot([ratio["min"], ratio["max"]], [place, place], color="black", linewidth=1)
        label_at = max(ratio["max"], 1.0) + 0.02
        ax.text(label_at, place, f"{ratio['median']:.2f}", va="center", fontsize="small")
    ax.set_yticks(range(len(cells)), [cell["cell"].removesuffix(", threads") for cell in cells])
    ax.axvline(1, color="black", linewidth=1)
    ax.set_xlim(left=0)
    ax.margins(x=0.12)
    ax.invert_yaxis()
    ax.set_xlabel(f"speed on {cells[0]['threads']} threads over that on one")
    ax.grid(axis="y", visible=False)
    return figure


def sweep(plt: Any, cells: list[Cell]) -> Any:
    """The time an image over the batch, and the most that is allowed where there is a limit."""
    figure, axes = plt.subplots(
        1, len(cells), figsize=(max(6.0, 5.2 * len(cells)), 3.8), squeeze=False, layout="constrained"
    )
    for cell, ax in zip(cells, axes[0], strict=True):
        sizes = [int(row["name"]) for row in cell["rows"]]
        rates = [row["images_per_second"] for row in cell["rows"]]
        times = [1e6 / rate["median"] for rate in rates]
        ax.fill_between(
            sizes,
            [1e6 / rate["max"] for rate in rates],
            [1e6 / rate["min"] for rate in rates],
            color=COLORS["convlet"],
            alpha=0.25,
            linewidth=0,
        )
        ax.plot(sizes, times, "o-", color=COLORS["convlet"], markersize=4, label="convlet")
        if allowed := cell.get("worst_ratio_allowed"):
            ax.axhline(allowed * min(times), color="black", linestyle="--", linewidth=1)
            ax.annotate(
                f"{allowed:g} times the best",
                (sizes[-1], allowed * min(times)),
                (0, 3),
                textcoords="offset points",
                ha="right",
                fontsize="small",
            )
            ax.set_ylim(0, 1.1 * max(*times, allowed * min(times)))
        else:
            ax.set(xscale="log", yscale="log")
            ax.set_xticks(sizes, [plain(size) for size in sizes], fontsize="small")
            log_axis(ax.yaxis, *ax.get_ylim())
        ax.set(xlabel=f"{cell['axis']}, images", ylabel="microseconds an image")
        ax.set_title(title_of(cell["cell"]), loc="left")
    return figure


def cost_bars(plt: Any, cells: list[Cell]) -> Any:
    """Time on the left, peak memory on the right, a line of panels for each cell."""
    sizes = [len(cell["rows"]) for cell in cells]
    figure, axes = plt.subplots(
        len(cells),
        2,
        figsize=(9.5, sum(0.36 * size + 1.2 for size in sizes)),
        height_ratios=[size + 1 for size in sizes],
        squeeze=False,
        layout="constrained",
    )
    for cell, (left, right) in zip(cells, axes, strict=True):
        names = [row["name"] for row in cell["rows"]]
        left.set_title(cell["cell"], loc="left")
        for ax, key, scale, unit in (
            (left, "time", 1, cell["unit"]),
            (right, "peak_memory_bytes", MIB, "MiB"),
        ):
            values = [
                {name: value / scale for name, value in row[key].items() if name != "all"}
                for row in cell["rows"]
            ]
            top = max(value["max"] for value in values)
            ax.barh(
                names,
                [value["median"] for value in values],
                color=[color(name) for name in names],
                height=0.72,
            )
            for place, value in enumerate(values):
                ax.plot([value["min"], value["max"]], [place, place], color="black", linewidth=1)
                text = plain(value["median"])
                if ax is left and place:
                    text += f"   ({times(cell['rows'][place]['convlet_is_faster_by']['median'])})"
                ax.text(value["max"] + 0.02 * top, place, text, va="center", fontsize="small")
            ax.set_xlim(0, 1.4 * top if ax is left else 1.2 * top)
            number_axis(ax.xaxis)
            ax.set_xlabel(f"{'peak memory of the process' if ax is right else 'time'}, {unit}")
            ax.invert_yaxis()
            ax.grid(axis="y", visible=False)
        right.set_yticklabels([])
    return figure
