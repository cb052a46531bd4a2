"""Turns the files that run.py wrote into Markdown tables, and into pictures where matplotlib is installed.

    python benchmarks/report.py FILE... [--plots FOLDER]

A ratio says how many times as fast as that row the first one is; one under 1 is marked as lost.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import plots
import summary

Cell = dict[str, Any]
MIB = 2**20


def heading(result: dict[str, Any]) -> str:
    """Where and with what the figures were taken."""
    m = result["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in m["versions"].items())
    load = "unknown" if m["load_average"] is None else f"{m['load_average'][0]:.2f}"
    quick = "; quick form, whose figures mean nothing" if result["quick"] else ""
    lines = [
        f"## Suite {result['suite']}\n",
        f"{m['cpu']}, {m['cpus']} CPUs, {m['isa']}, {_threads(m['threads'])} each; load {load} at the start; "
        f"Python {m['python']}, {versions}; commit {m['commit'][:12]}{m['commit'][40:]}; {m['date']}{quick}.",
    ]
    lines += [
        f"A copy from memory to memory by {_threads(threads)} moves {_spread(rate, _number)} GB/s."
        for threads, rate in result.get("stream_gigabytes_per_second", {}).items()
    ]
    if result.get("peak_memory_bytes"):
        peak = result["peak_memory_bytes"] / MIB
        lines.append(f"This process held at most {_number(peak)} MiB, with all contenders in it.")
    return "\n".join(lines)


def markdown(result: dict[str, Any]) -> str:
    """The whole report of a suite."""
    parts = [heading(result)]
    of_kind: dict[str, list[Cell]] = {}
    for cell in result["cells"]:
        of_kind.setdefault(cell.get("kind", "rivals"), []).append(cell)
    parts += convolutions(of_kind.get("convolution", []))
    parts += [table(cell) for cell in of_kind.get("rivals", [])]
    parts += [sweep(cell) for cell in of_kind.get("sweep", [])]
    parts += [costs(cell) for cell in of_kind.get("costs", [])]
    if result["suite"] == "ops":
        parts += ["### Summary", *summaries(of_kind)]
    if unsteady := [cell["cell"] for cell in timed(result) if summary.is_unsteady(cell)]:
        parts.append(
            f"Unsteady: in {len(unsteady)} of {len(timed(result))} cells a contender's repetitions differ "
            f"by more than a factor of {summary.STEADY:g}; something else ran beside them."
        )
    parts += [f"NOT EQUAL, and so not timed: {text}." for text in result.get("not_equal", [])]
    return "\n\n".join(parts)


def timed(result: dict[str, Any]) -> list[Cell]:
    """The cells whose contenders count images."""
    return [cell for cell in result["cells"] if cell.get("kind") != "costs"]


def summaries(of_kind: dict[str, list[Cell]]) -> list[str]:
    titles = {"convolution": "Convolutions", "rivals": "Pooling and dense layers"}
    made = {title: summary.summarize(of_kind.get(kind, [])) for kind, title in titles.items()}
    texts = [summary.text(title, one) for title, one in made.items() if one]
    return texts or ["PyTorch was not measured."]


def convolutions(cells: list[Cell]) -> list[str]:
    """A table for each number of threads and op, and tables of their own where NumPy takes part."""
    parts = []
    for negative, op in sorted({(-cell["threads"], cell["op"]) for cell in cells}):
        threads = -negative
        group = [cell for cell in cells if (cell["threads"], cell["op"]) == (threads, op)]
        parts.append(_convolution_table(group, f"{op}, {_threads(threads)}"))
    with_numpy = [cell for cell in cells if any("NumPy" in row["name"] for row in cell["rows"])]
    return parts + [table(cell) for cell in with_numpy]


def _convolution_table(cells: list[Cell], what: str) -> str:
    rivals = list(dict.fromkeys(row["name"] for cell in cells for row in cell["rows"][1:]))
    rivals = [name for name in rivals if name.startswith(summary.RIVAL)]
    columns = [
        "us an image",
        "GFLOP/s",
        "of the FMA peak",
        "MiB added",
        *(f"against {name}" for name in rivals),
    ]
    lines = [f"### Convolutions, {what}", "", *_header(columns)]
    for cell in cells:
        rows = {row["name"]: row for row in cell["rows"]}
        own = rows["convlet"]
        batch = f"batch {cell['shape']['batch']}"
        if cell["asked_batch"] != cell["shape"]["batch"]:
            batch += f" (for {cell['asked_batch']})"
        name = cell["cell"].split(": ")[1].split(", batch")[0]
        texts = [f"{cell['title']}: {name}, {batch}", _time(own), *_work(own), _memory(own)]
        texts += [_ratio(rows[name]["convlet_is_faster_by"]) if name in rows else "" for name in rivals]
        lines.append(_line(texts))
    worst = max(cells, key=lambda cell: cell["difference"])
    lines += ["", f"Equal: {worst['proof']}. That is the worst cell, {worst['title']}.", *_skipped(cells)]
    return "\n".join(lines)


def table(cell: Cell) -> str:
    """One comparison as Markdown: medians, with the smallest and the largest repetition in brackets."""
    rows = cell["rows"]
    optional: dict[str, tuple[str, Callable[[Any], str]]] = {
        "gflops": ("GFLOP/s", lambda row: _number(row["gflops"]["median"])),
        "share_of_peak": ("of the FMA peak", lambda row: f"{row['share_of_peak']['median']:.1%}"),
        "gigabytes_per_second": ("GB/s", lambda row: _number(row["gigabytes_per_second"]["median"])),
        "added_memory_bytes": ("MiB added", _memory),
    }
    shown = [key for key in optional if rows[0].get(key) is not None]
    columns = [
        "images/s",
        "us an image",
        f"{rows[0]['name']} is faster by",
        *(optional[key][0] for key in shown),
    ]
    lines = [f"### {cell['cell']}", "", *_header(columns)]
    for row in rows:
        rate = row["images_per_second"]
        texts = [row["name"], _spread(rate, _number), _number(1e6 / rate["median"])]
        texts.append("" if row is rows[0] else _ratio(row["convlet_is_faster_by"]))
        lines.append(_line(texts + [optional[key][1](row) for key in shown]))
    lines += ["", f"Equal: {cell['proof']}.", *_data(cell)]
    if cell["flop_per_image"]:
        peak = _spread(cell["peak_gflops"], _number)
        lines.append(f"{cell['flop_per_image'] / 1e6:,.3f} MFLOP an image; FMA peak {peak} GFLOP/s.")
    return "\n".join(lines + _skipped([cell]))


def sweep(cell: Cell) -> str:
    """One contender on different sizes, each against the best of them."""
    lines = [f"### {cell['cell']}", ""]
    lines += _header(
        ["us an image", "of the best time", "images/s", "GFLOP/s", "of the FMA peak"], cell["axis"]
    )
    against_best = summary.sweep(cell)
    for row, (_, factor) in zip(cell["rows"], against_best, strict=True):
        rate = _spread(row["images_per_second"], _number)
        lines.append(_line([row["name"], _time(row), f"{factor:.2f}", rate, *_work(row)]))
    size, worst = max(against_best, key=lambda pair: pair[1])
    lines += ["", f"Equal: {cell['proof']}.", *_data(cell)]
    if allowed := cell.get("worst_ratio_allowed"):
        verdict = "kept" if worst <= allowed else "lost"
        lines.append(
            f"The worst time an image is {worst:.2f} of the best, at {cell['axis']} {size}; at most "
            f"{allowed:g} is allowed ({verdict})."
        )
    return "\n".join(lines)


def costs(cell: Cell) -> str:
    """What a process takes from its start to its end."""
    rows = cell["rows"]
    columns = [
        f"{cell['unit']}: median [min, max]",
        f"{rows[0]['name']} is faster by",
        "peak MiB of the process",
    ]
    lines = [f"### {cell['cell']}", "", *_header(columns)]
    for row in rows:
        memory = row["peak_memory_bytes"]
        texts = [row["name"], _spread(row["time"], _number)]
        texts.append("" if row is rows[0] else _ratio(row["convlet_is_faster_by"]))
        lines.append(_line([*texts, "" if memory is None else _number(memory["median"] / MIB)]))
    lines += ["", *([f"Equal: {cell['proof']}."] if cell["proof"] else []), *cell["notes"]]
    return "\n".join(lines + _skipped([cell]))


def _data(cell: Cell) -> list[str]:
    return [f"Data: {cell['data']}."] if "data" in cell else []


def _skipped(cells: Iterable[Cell]) -> list[str]:
    reasons = {name: reason for cell in cells for name, reason in cell["skipped"].items()}
    return [f"Not measured: {name}, {reason}." for name, reason in reasons.items()]


def _header(columns: list[str], first: str = "") -> list[str]:
    return [_line([first, *columns]), _line(["---", *["---:"] * len(columns)])]


def _line(texts: list[str]) -> str:
    return "| " + " | ".join(texts) + " |"


def _threads(count: int | str) -> str:
    return f"{count} thread{'s' if int(count) > 1 else ''}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _spread(values: dict[str, float], text: Callable[[float], str]) -> str:
    return f"{text(values['median'])} [{text(values['min'])}, {text(values['max'])}]"


def _ratio(values: dict[str, float]) -> str:
    return _spread(values, "{:.2f}".format) + summary.mark(values["median"])


def _time(row: dict[str, Any]) -> str:
    """Of an image, in microseconds; the slowest repetition has the lowest rate."""
    rate = row["images_per_second"]
    return _spread(
        {"median": 1e6 / rate["median"], "min": 1e6 / rate["max"], "max": 1e6 / rate["min"]}, _number
    )


def _work(row: dict[str, Any]) -> list[str]:
    return [_number(row["gflops"]["median"]), f"{row['share_of_peak']['median']:.0%}"]


def _memory(row: dict[str, Any]) -> str:
    added = row.get("added_memory_bytes")
    return "" if added is None else _number(added / MIB)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--plots", type=Path, metavar="FOLDER", help="draw pictures into this folder")
    parser.add_argument("--format", default="svg", help="of the pictures: svg, png, pdf")
    arguments = parser.parse_args()
    for path in arguments.files:
        result = json.loads(path.read_text())
        print(markdown(result) + "\n")
        if arguments.plots:
            try:
                pictures = plots.draw(result, arguments.plots, arguments.format)
            except ImportError:
                print("report: pictures need matplotlib, which is not installed", file=sys.stderr)
                return 1
            print("\n".join(f"![{picture.stem}]({picture})" for picture in pictures) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
