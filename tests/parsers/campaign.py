"""Many inputs for many targets: how they are shared out, run, and told."""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .target import Target, make_input
from .trial import Tally, attempt, spare_memory
from .watch import Report, run_target

__all__ = ["LARGEST_MEGABYTES", "repeat", "run", "shares"]

LARGEST_MEGABYTES = 200
"""Of a worker: the interpreter, NumPy, Pillow, onnx and convlet included."""


def shares(targets: Sequence[Target], inputs: int, least: int) -> list[int]:
    """How many inputs each target gets: ``least``, or an equal part of half of them, and then by shares."""
    least = least or inputs // (2 * len(targets))
    weights = (
        [target.share for target in targets]
        if any(target.share for target in targets)
        else [1] * len(targets)
    )
    rest = max(0, inputs - least * len(targets))
    counts = [least + rest * weight // sum(weights) for weight in weights]
    counts[0] += max(0, inputs - sum(counts))
    return counts


def run(targets: Sequence[Target], inputs: int, least: int, seed: int, jobs: int, keep: Path) -> int:
    """All of it; prints a table and every problem."""
    started = time.monotonic()
    counts = shares(targets, inputs, least)
    with ThreadPoolExecutor(jobs) as pool:
        reports = list(
            pool.map(lambda pair: run_target(pair[0].name, seed, pair[1]), zip(targets, counts, strict=True))
        )
    _show(reports, time.monotonic() - started)
    problems = [problem for report in reports for problem in report.problems]
    by_name = {target.name: target for target in targets}
    for problem in problems:
        target = by_name[problem.target]
        data = make_input(target, target.seeds(), seed, problem.number)
        file = keep / f"{problem.target}-{hashlib.sha256(data).hexdigest()[:12]}"
        keep.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        again = f"python -m tests.parsers --target {problem.target}"
        print(f"\n{problem.target}: {problem.text}")
        print(f"  {again} --seed {seed} --number {problem.number}\n  {again} --file {file}")
    large = [report.target for report in reports if report.tally.peak_megabytes > LARGEST_MEGABYTES]
    if large:
        print(f"\nmore than {LARGEST_MEGABYTES} MB in a worker: {', '.join(large)}")
    return int(bool(problems or large))


def _show(reports: Sequence[Report], seconds: float) -> None:
    total = Tally()
    print(f"{'target':<17}{'inputs':>9}{'accepted':>10}{'slowest':>9}{'peak':>8}  refused")
    for report in reports:
        tally = report.tally
        total.merge(tally)
        refused = ", ".join(f"{name} {n:,}" for name, n in tally.outcomes.most_common() if name != "accepted")
        print(
            f"{report.target:<17}{tally.inputs:>9,}{tally.outcomes['accepted']:>10,}"
            f"{tally.slowest_seconds:>7.3f} s{tally.peak_megabytes:>5.0f} MB  {refused}"
        )
    print(
        f"{'all':<17}{total.inputs:>9,}{total.outcomes['accepted']:>10,}{total.slowest_seconds:>7.3f} s"
        f"{total.peak_megabytes:>5.0f} MB  in {seconds:.0f} s, {total.inputs / seconds:,.0f} a second; "
        f"{sum(len(report.problems) for report in reports)} problems"
    )


def repeat(target: Target, seed: int, number: int | None, file: Path | None) -> int:
    """One input again, in this process."""
    data = make_input(target, target.seeds(), seed, number or 0) if file is None else file.read_bytes()
    print(f"{target.name}: {len(data)} bytes {data[:200]!r}")
    with tempfile.TemporaryDirectory() as folder:
        for seed_data in target.seeds():
            attempt(target, seed_data, Path(folder))
        with spare_memory():
            trial = attempt(target, data, Path(folder))
    print(f"{trial.outcome} in {trial.seconds:.3f} s; {trial.problem or 'no problem'}")
    return int(trial.problem is not None)
