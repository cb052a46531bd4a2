"""`python -m tests.fuzz --cases N --seed S`: random cases of all that computes, until one is wrong."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

if __package__ == "tests.fuzz":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from convlet import _core
from fuzz.run import OPS, Report, WrongError, draw, run


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0 if no case is wrong, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=2000, help="how many, default 2000")
    parser.add_argument("--seed", type=int, default=0, help="of all of them, default 0")
    parser.add_argument("--first", type=int, default=0, help="the number of the first, default 0")
    parser.add_argument("--case", type=int, help="only that one, and its configuration")
    parser.add_argument("--op", choices=OPS, help="only that one")
    parser.add_argument("--isa", choices=["all", *_core.available_isas()], default="all", help="default all")
    options = parser.parse_args(arguments)

    isas = _core.available_isas() if options.isa == "all" else [options.isa]
    numbers = range(options.first, options.first + options.cases)
    if options.case is not None:
        numbers = range(options.case, options.case + 1)
        print(draw(options.seed, options.case, options.op)[0])
    report, begin, done = Report(isas), time.monotonic(), 0
    try:
        for done, _ in enumerate(run(report, options.seed, numbers, options.op), 1):
            if done % 5000 == 0:
                print(f"{done:,} cases, {time.monotonic() - begin:.0f} s", flush=True)
    except WrongError as error:
        case = numbers[done]
        op = f" --op {options.op}" if options.op else ""
        print(f"mismatch: {error}")
        print(f"repeat: python -m tests.fuzz --seed {options.seed} --case {case} --isa {options.isa}{op}")
        return 1
    show(report, options.seed, numbers, time.monotonic() - begin)
    return 0


def show(report: Report, seed: int, numbers: range, seconds: float) -> None:
    """What was checked, how near the bounds it came, and the digests."""
    for title, counts in (("ops", report.cases), ("data", report.kinds)):
        print(f"{title}: " + ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items())))
    print("largest error, as a share of its bound:")
    for name, share in sorted(report.worst.items()):
        print(f"  {name:36} {share:.3f}")
    for isa in report.isas:
        print(f"digest of all results, {isa}: {report.digest(isa)}")
    cases = f"{len(numbers):,} cases from {numbers.start}, seed {seed}"
    print(f"{cases}, {', '.join(report.isas)}: none wrong, {seconds:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
