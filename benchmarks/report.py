"""Turns the files that run.py wrote into Markdown tables, and into pictures where matplotlib is installed.

    python benchmarks/report.py FILE... [--plots FOLDER]

A ratio says how many times as fast as that row convlet is; one under 1 is marked as lost.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any


def heading(result: dict[str, Any]) -> str:
    """Where and with what the figures were taken."""
    m = result["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in m["versions"].items())
    load = "unknown" if m["load_average"] is None else f"{m['load_average'][0]:.2f}"
    quick = "; quick form, whose figures mean nothing" if result["quick"] else ""
    return (
        f"## Suite {result['suite']}\n\n"
        f"{m['cpu']}, {m['cpus']} CPUs, {m['isa']}, {m['threads']} threads each; load {load} at the start; "
        f"Python {m['python']}, {versions}; commit {m['commit'][:12]}{m['commit'][40:]}; {m['date']}{quick}."
    )


def table(cell: dict[str, Any]) -> str:
    """One comparison as Markdown: medians, with the smallest and the largest repetition in brackets."""
    rows = cell["rows"]
    columns = ["", "images/s", "us an image", "convlet is faster by"]
    optional = {"gflops": "GFLOP/s", "share_of_peak": "of the FMA peak", "gigabytes_per_second": "GB/s"}
    shown = [key for key in optional if key in rows[0]]
    columns += [optional[key] for key in shown]
    lines = [f"### {cell['cell']}", "", _line(columns), _line(["---", *["---:"] * (len(columns) - 1)])]
    for row in rows:
        rate = row["images_per_second"]
        texts = [row["name"], _spread(rate, _number), _number(1e6 / rate["median"])]
        texts.append("" if row is rows[0] else _ratio(row["convlet_is_faster_by"]))
        texts += [
            f"{row[key]['median']:.1%}" if key == "share_of_peak" else _number(row[key]["median"])
            for key in shown
        ]
        lines.append(_line(texts))
    lines += ["", f"Equal: {cell['proof']}."]
    if cell["flop_per_image"]:
        peak = _spread(cell["peak_gflops"], _number)
        lines.append(f"{cell['flop_per_image'] / 1e6:,.3f} MFLOP an image; FMA peak {peak} GFLOP/s.")
    lines += [f"Not measured: {name}, {reason}." for name, reason in cell["skipped"].items()]
    return "\n".join(lines)


def markdown(result: dict[str, Any]) -> str:
    return "\n\n".join([heading(result), *map(table, result["cells"])])


def plot(result: dict[str, Any], folder: Path) -> list[Path]:
    """Bars of images/s against each rival, and a roofline where the suite counts bytes."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    folder.mkdir(parents=True, exist_ok=True)
    cells, written = result["cells"], []
    figure, axes = plt.subplots(len(cells), 1, figsize=(8, 1 + 1.8 * len(cells)), squeeze=False)
    for cell, ax in zip(cells, axes[:, 0], strict=True):
        rates = [row["images_per_second"] for row in cell["rows"]]
        middle = [rate["median"] for rate in rates]
        errors = [
            [rate["median"] - rate["min"] for rate in rates],
            [rate["max"] - rate["median"] for rate in rates],
        ]
        colors = ["tab:orange", *["tab:gray"] * (len(rates) - 1)]
        ax.barh([row["name"] for row in cell["rows"]], middle, xerr=errors, color=colors)
        ax.invert_yaxis()
        ax.set(xscale="log", xlabel="images/s")
        ax.set_title(cell["cell"], fontsize="medium")
    figure.tight_layout()
    written.append(folder / f"{result['suite']}.svg")
    figure.savefig(written[-1])
    plt.close(figure)
    both = [cell for cell in cells if cell["flop_per_image"] and cell["bytes_per_image"]]
    if both:
        written.append(folder / f"{result['suite']}-roofline.svg")
        _roofline(plt, both, written[-1])
    return written


def _roofline(plt: Any, cells: list[dict[str, Any]], path: Path) -> None:
    """GFLOP/s over the multiply-adds that each byte allows, under the measured peak."""
    figure, ax = plt.subplots(figsize=(10, 5))
    for cell in cells:
        intensity = cell["flop_per_image"] / cell["bytes_per_image"]
        line = ax.plot(intensity, cell["rows"][0]["gflops"]["median"], "o", label=cell["cell"])[0]
        for row in cell["rows"][1:]:
            ax.plot(intensity, row["gflops"]["median"], "x", color=line.get_color())
    peaks = [cell["peak_gflops"]["median"] for cell in cells]
    ax.axhline(max(peaks), color="black", label="FMA peak")
    ax.set(xscale="log", yscale="log", xlabel="FLOP a byte", ylabel="GFLOP/s", title="o convlet, x rivals")
    ax.legend(fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)


def _line(texts: list[str]) -> str:
    return "| " + " | ".join(texts) + " |"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _spread(values: dict[str, float], text: Any) -> str:
    return f"{text(values['median'])} [{text(values['min'])}, {text(values['max'])}]"


def _ratio(values: dict[str, float]) -> str:
    return _spread(values, "{:.2f}".format) + (" (lost)" if values["median"] < 1 else "")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--plots", type=Path, metavar="FOLDER", help="draw pictures into this folder")
    arguments = parser.parse_args()
    for path in arguments.files:
        result = json.loads(path.read_text())
        print(markdown(result) + "\n")
        if arguments.plots:
            try:
                pictures = plot(result, arguments.plots)
            except ImportError:
                print("report: pictures need matplotlib, which is not installed", file=sys.stderr)
                return 1
            print("\n".join(f"![{picture.stem}]({picture})" for picture in pictures) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
