"""The figures of scaling.py as Markdown, sentences and all, so that text and figures cannot part."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scaling_model import Link, Step

BEGIN, END = "<!-- scaling -->", "<!-- /scaling -->"
BATCH = 256
SHOWN = (2, 4, 16, 64, 256, 1024)
WORTH = 0.5
"""A step on n ranks pays if it is at least so many times n as fast as on one."""


def markdown(result: dict[str, Any]) -> str:
    """The whole report."""
    parts = (_machine, _measured, _links, _modelled, _worth)
    return "\n\n".join(part(result) for part in parts)


def insert(page: Path, text: str) -> None:
    """Replace what stands between the marks of a page."""
    before, begin, rest = page.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page}: expected the marks {BEGIN} and {END}")
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")


def steps(result: dict[str, Any]) -> dict[str, Step]:
    return {
        net["name"]: Step(net["parameters"], net["fixed_seconds"], net["tile_seconds"])
        for net in result["nets"]
    }


def links(result: dict[str, Any]) -> list[tuple[Link, int]]:
    """Those that were measured, then those of datasheets; each with how many ranks it may join."""
    rows = [row for row in (*result["links"], *result["assumed_links"]) if "skipped" not in row]
    most = max(result["ranks"])
    return [
        (Link(row["name"], row["alpha_seconds"], row["beta_seconds"]), row.get("reach", most)) for row in rows
    ]


def _machine(result: dict[str, Any]) -> str:
    told = result["machine"]
    load = told["load_average"]
    busy = "" if load is None else f" The load average was {load[0]:.1f}."
    return (
        f"Measured on {told['cpus']} CPUs of {told['cpu']}, kernels {told['isa']}, one thread a rank,\n"
        f"commit {told['commit'][:12]}, {told['date']}.{busy}"
    )


def _measured(result: dict[str, Any]) -> str:
    alone, threads = (
        {(row["net"], row["batch"]): row["seconds"]["median"] for row in result[which]}
        for which in ("alone", "two_threads")
    )
    models, nothing = steps(result), Link("none", 0.0, 0.0)
    lines = [
        "| net | images a step | one rank | two ranks | strong scaling | weak scaling "
        "| two threads | model of two |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in result["links"][0]["steps"]:
        net, batch, two = row["net"], row["batch"], row["seconds"]["median"]
        one, half = alone[net, batch], models[net].seconds(batch // 2, 1, nothing)
        lines.append(
            f"| {net} | {batch} | {_time(one)} | {_time(two)} | {one / two:.2f} | {half / two:.0%} | "
            f"{threads[net, batch] / two:.0%} | {_time(row['model_seconds'])} |"
        )
    note = (
        "Strong scaling: how many times as fast two ranks make the same batch. Weak scaling: the time of\n"
        "one rank for half of the batch, from the fitted line, as a share of that of two ranks for all of\n"
        "it. Two threads: the time of one process with two threads, as a share of that of two ranks with\n"
        "one. The last column is what the model says of two ranks, whose steps it has not seen."
    )
    return "\n".join([*lines, "", note])


def _links(result: dict[str, Any]) -> str:
    lines = [
        "| link of two ranks | latency | rate | fit is off by at most | steps: model / measured |",
        "|---|---:|---:|---:|---:|",
    ]
    skipped = []
    for row in result["links"]:
        if "skipped" in row:
            skipped.append(f"{row['name']} was left out: {row['skipped']}.")
            continue
        link = Link(row["name"], row["alpha_seconds"], row["beta_seconds"])
        shares = [step["model_seconds"] / step["seconds"]["median"] for step in row["steps"]]
        lines.append(
            f"| {link.name} | {_time(link.alpha_seconds)} | {link.megabits_per_second:,.0f} Mbit/s | "
            f"{row['fit_error']:.0%} | {min(shares):.2f} to {max(shares):.2f} |"
        )
    return "\n".join([*lines, *(["", *skipped] if skipped else [])])


def _modelled(result: dict[str, Any]) -> str:
    counts = [n for n in result["ranks"] if n in SHOWN]
    lines = []
    for what, title in (("speedup", "times as fast"), ("efficiency", "efficiency")):
        images = f"{BATCH} images a step" if what == "speedup" else f"{BATCH} images a rank"
        lines += [
            f"| {title}, {images} | " + " | ".join(f"{n:,} ranks" for n in counts) + " |",
            "|---|" + "---:|" * len(counts),
        ]
        for name, step in steps(result).items():
            for link, reach in links(result):
                values = [getattr(step, what)(BATCH, n, link) if n <= reach else None for n in counts]
                form = "{:.2f}" if what == "speedup" else "{:.0%}"
                shown = ["-" if value is None else form.format(value) for value in values]
                lines.append(f"| {name}; {link.name} | {' | '.join(shown)} |")
        lines.append("")
    return "\n".join(lines[:-1])


def _worth(result: dict[str, Any]) -> str:
    """From which batch on it pays, and the first net's own figure in words."""
    counts = (2, 8, 64)
    lines = [
        f"| smallest batch with {WORTH:.0%} of the ranks' speed | "
        + " | ".join(f"{n} ranks" for n in counts)
        + " |",
        "|---|" + "---:|" * len(counts),
    ]
    for name, step in steps(result).items():
        for link, reach in links(result):
            found = [step.smallest_batch(n, link, WORTH) if n <= reach else 0 for n in counts]
            cells = ["never" if batch is None else f"{batch:,}" if batch else "-" for batch in found]
            lines.append(f"| {name}; {link.name} | {' | '.join(cells)} |")
    name, step = next(iter(steps(result).items()))
    alone = step.seconds(BATCH, 1, Link("none", 0.0, 0.0))
    told = []
    for link, reach in links(result):
        best = max((n for n in result["ranks"] if n <= reach), key=lambda n: step.speedup(BATCH, n, link))
        gain = step.speedup(BATCH, best, link)
        says = f"{gain:.2f} times as fast, with {best} ranks" if gain > 1 else "slower than one rank"
        told.append(f"- over {link.name}: {says}")
    head = (
        f"{name}'s step of {BATCH} images takes one thread {_time(alone)}, and its gradient has "
        f"{step.message_bytes / 1000:,.0f} kB. At best,\nby the model, a step of that batch is:"
    )
    return "\n".join([*lines, "", head, "", *told])


def _time(seconds: float) -> str:
    if seconds < 1e-3:
        return f"{seconds * 1e6:.3g} us"
    return f"{seconds * 1e3:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"
