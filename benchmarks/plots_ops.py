"""Pictures of the convolutions: along each axis, against PyTorch, and under the roofs of the machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import summary
from plot_style import COLORS, color, log_axis, plain

Cell = dict[str, Any]
AXES = {
    "batch": "batch, images",
    "image": "rows and columns of the image, pixels",
    "channels": "channels in → out",
}
MARKERS = {"convlet": "o", "PyTorch, NCHW": "s", "PyTorch, channels_last": "^"}
CROWDED = 1.3
"""Ticks whose numbers would touch if they stood on one line."""
OPS = ("forward", "forward+backward")
COLUMNS_OF_BASES = ("A", "B")


def convolutions(plt: Any, cells: list[Cell], stream: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Name and figure of every picture that the cells are enough for."""
    for axis in AXES:
        if any(axis == place.split()[1] for cell in cells for place in cell["places"]):
            yield f"-{axis}", over_axis(plt, cells, axis)
    if found := summary.summarize(cells):
        yield "-ratios", ratios(plt, found)
    most = max(cell["threads"] for cell in cells)
    layers = [cell for cell in cells if cell["threads"] == most and is_layer(cell)]
    if layers:
        yield "-layers", layer_bars(plt, layers)
        yield "-roofline", roofline(plt, cells, layers, stream.get(str(most)))


def is_layer(cell: Cell) -> bool:
    """Whether it is one of the named layers."""
    return cell["title"].startswith(("lenet", "cifar"))


def on_axis(cells: list[Cell], base: str, axis: str, op: str) -> list[tuple[float, str, Cell]]:
    """Place, label and cell of those on an axis of a base, in order."""
    found = []
    for cell in cells:
        value = cell["places"].get(f"{base} {axis}")
        if value is not None and cell["op"] == op:
            if axis == "batch":
                value = cell["shape"]["batch"]
            place = float(value[0] * value[1]) if axis == "channels" else float(value)
            found.append((place, "→".join(map(str, value)) if axis == "channels" else str(value), cell))
    return sorted(found, key=lambda one: one[0])


def over_axis(plt: Any, cells: list[Cell], axis: str) -> Any:
    """The time an image, one line a contender, a panel for each base and op; bands from best to worst."""
    figure, panels = plt.subplots(2, 2, figsize=(9.5, 7.2), sharex="col", layout="constrained")
    smaller = False
    for line, op in zip(panels, OPS, strict=True):
        for ax, base in zip(line, COLUMNS_OF_BASES, strict=True):
            points = on_axis(cells, base, axis, op)
            for name in MARKERS:
                smaller |= _draw_line(ax, points, name, axis)
            ax.set(xscale="log", yscale="log")
            log_axis(ax.yaxis, *ax.get_ylim())
            if points:
                ax.set_title(f"base {base}, {_rest_of(points[0][2], axis)}: {op}", loc="left")
                _ticks(ax, points, axis)
            if op == OPS[-1]:
                ax.set_xlabel(AXES[axis])
            if base == COLUMNS_OF_BASES[0]:
                ax.set_ylabel("microseconds an image")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    if smaller:
        handles.append(plt.Line2D([], [], marker="o", color="gray", markerfacecolor="white", linestyle=""))
        labels.append("hollow: a smaller batch, to keep the limits")
    figure.legend(handles, labels, loc="outside lower center", ncols=4)
    return figure


def _draw_line(ax: Any, points: list[tuple[float, str, Cell]], name: str, axis: str) -> bool:
    """One contender; whether a point is hollow, which is said only where the batch is not the axis."""
    rows = [(place, cell, row) for place, _, cell in points for row in cell["rows"] if row["name"] == name]
    if not rows:
        return False
    places = [place for place, _, _ in rows]
    rates = [row["images_per_second"] for _, _, row in rows]
    times = [1e6 / rate["median"] for rate in rates]
    low, high = [1e6 / rate["max"] for rate in rates], [1e6 / rate["min"] for rate in rates]
    ax.fill_between(places, low, high, color=color(name), alpha=0.2, linewidth=0)
    ax.plot(places, times, color=color(name), marker=MARKERS[name], markersize=4.5, linewidth=1.4, label=name)
    hollow = [
        (place, time)
        for (place, cell, _), time in zip(rows, times, strict=True)
        if axis != "batch" and cell["shape"]["batch"] != cell["asked_batch"]
    ]
    for place, time in hollow:
        ax.plot(place, time, MARKERS[name], color=color(name), markerfacecolor="white", markersize=4.5)
    return bool(hollow)


def _rest_of(cell: Cell, axis: str) -> str:
    """What stays the same along an axis."""
    s = cell["shape"]
    texts = {
        "channels": "→".join(map(str, s["channels"])),
        "kernel": f"{s['kernel']}x{s['kernel']}",
        "image": f"image {s['image']}",
        "batch": f"batch {cell['asked_batch']}",
    }
    return ", ".join(text for name, text in texts.items() if name != axis)


def _ticks(ax: Any, points: list[tuple[float, str, Cell]], axis: str) -> None:
    if axis == "batch":
        powers = [4**n for n in range(7)]
        ax.set_xticks(powers, [f"{power:,}" for power in powers])
        return
    places, labels = [place for place, _, _ in points], [label for _, label, _ in points]
    for number in range(1, len(places)):
        if places[number] < CROWDED * places[number - 1]:
            labels[number] = "\n" + labels[number]
    ax.set_xticks(places, labels)
    if axis == "channels":
        ax.tick_params(axis="x", labelrotation=35, labelsize="small")


def ratios(plt: Any, found: summary.Summary) -> Any:
    """Every cell, slowest first: how many times as fast as PyTorch's better layout."""
    values = [value for _, value in found.ratios]
    lost = found.under(summary.LOST)
    figure, ax = plt.subplots(figsize=(8.5, 4.2), layout="constrained")
    colors = [COLORS["PyTorch"] if value < summary.LOST else COLORS["convlet"] for value in values]
    ax.bar(range(1, len(values) + 1), [value - 1 for value in values], bottom=1, color=colors, width=0.8)
    ax.axhline(1, color="black", linewidth=1)
    ax.axhline(found.median, color="gray", linewidth=1, linestyle="--")
    note = {"textcoords": "offset points", "fontsize": "small"}
    ax.annotate(f"median {found.median:.2f}", (1, found.median), (2, 4), **note)
    if lost:
        ax.annotate(f"{lost} lost: PyTorch is faster", (lost + 1, 1), (2, -12), **note)
    ax.set_yscale("log")
    low, high = min(0.5, *values), max(2.0, *values)
    steps = [step for step in (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100) if low / 2 < step < 2 * high]
    ax.set_yticks(steps, [f"{step:g}" for step in steps])
    ax.minorticks_off()
    ax.set_ylim(low / 1.15, high * 1.15)
    ax.set_xlim(0, len(values) + 1)
    ax.set(xlabel="cells, slowest first", ylabel="speed of convlet over PyTorch's better layout")
    ax.grid(axis="x", visible=False)
    return figure


def layer_bars(plt: Any, cells: list[Cell]) -> Any:
    """GFLOP/s of each contender in the named layers."""
    figure, panels = plt.subplots(1, 2, figsize=(10, 5.6), sharey=True, layout="constrained")
    height = 0.8 / len(MARKERS)
    for ax, op in zip(panels, OPS, strict=True):
        group = [cell for cell in cells if cell["op"] == op]
        for place, cell in enumerate(group):
            rows = {row["name"]: row for row in cell["rows"]}
            for number, name in enumerate(name for name in MARKERS if name in rows):
                rate, y = rows[name]["gflops"], place + (number - 1) * height
                label = name if place == 0 else None
                ax.barh(y, rate["median"], height=0.92 * height, color=color(name), label=label)
                ax.plot([rate["min"], rate["max"]], [y, y], color="black", linewidth=1)
        if group:
            peak = max(cell["peak_gflops"]["max"] for cell in group)
            ax.axvline(peak, color="black", linestyle="--", linewidth=1)
            ax.annotate(
                "FMA peak", (peak, -0.62), (-3, 0), textcoords="offset points", ha="right", fontsize="small"
            )
        ax.set_yticks(range(len(group)), [_layer_label(cell) for cell in group])
        ax.set_ylim(len(group) - 0.4, -0.85)
        ax.set_title(op, loc="left")
        ax.set_xlabel("GFLOP/s")
        ax.grid(axis="y", visible=False)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure


def _layer_label(cell: Cell) -> str:
    s = cell["shape"]
    stride = f", stride {s['stride']}" if s["stride"] > 1 else ""
    channels = "→".join(map(str, s["channels"]))
    return f"{channels}, {s['kernel']}x{s['kernel']}{stride}\n{s['image']}x{s['image']}, batch {s['batch']}"


def roofline(plt: Any, cells: list[Cell], layers: list[Cell], stream: dict[str, float] | None) -> Any:
    """GFLOP/s over the multiply-adds that each byte allows, under what was measured of the machine."""
    figure, panels = plt.subplots(1, 2, figsize=(10, 5.2), sharey=True, layout="constrained")
    most = layers[0]["threads"]
    same = [cell for cell in cells if cell["threads"] == most]
    peak = max(cell["peak_gflops"]["max"] for cell in same)
    intensities = [cell["flop_per_image"] / cell["bytes_per_image"] for cell in same]
    ends = min(intensities) / 1.6, max(intensities) * 1.6
    for ax, op in zip(panels, OPS, strict=True):
        _roofs(ax, peak, stream, ends)
        group = [cell for cell in same if cell["op"] == op]
        for name in reversed(MARKERS):
            rows = [(cell, row) for cell in group for row in cell["rows"] if row["name"] == name]
            x = [cell["flop_per_image"] / cell["bytes_per_image"] for cell, _ in rows]
            y = [row["gflops"]["median"] for _, row in rows]
            ax.plot(x, y, MARKERS[name], color=color(name), markersize=4, alpha=0.8, label=name, linestyle="")
        ax.set(xscale="log", yscale="log", xlim=ends)
        ax.set_title(f"{op}, {most} thread{'s' if most > 1 else ''}", loc="left")
        ax.set_xlabel("FLOP a byte of operands and results")
        for side in (ax.xaxis, ax.yaxis):
            side.set_major_formatter(lambda value, _: plain(value))
    panels[0].set_ylabel("GFLOP/s")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], loc="outside lower center", ncols=3)
    return figure


def _roofs(ax: Any, peak: float, stream: dict[str, float] | None, ends: tuple[float, float]) -> None:
    """The peak of the multiply-add units, and the slope of a copy from memory to memory."""
    note = {"textcoords": "offset points", "fontsize": "small"}
    knee = ends[0] if stream is None else peak / stream["median"]
    ax.plot([max(knee, ends[0]), ends[1]], [peak, peak], color="black", linewidth=1.2)
    ax.annotate(f"FMA peak, {plain(peak)} GFLOP/s", (ends[1], peak), (-4, 4), ha="right", **note)
    if stream is not None and knee > ends[0]:
        ax.plot([ends[0], knee], [ends[0] * stream["median"], peak], color="black", linewidth=1.2)
        ax.annotate(
            f"memory,\n{plain(stream['median'])} GB/s",
            (ends[0], ends[0] * stream["median"]),
            (4, -4),
            va="top",
            **note,
        )
