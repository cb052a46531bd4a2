"""Runs a benchmark suite, each cell of which first proves that all contenders compute the same.

    python benchmarks/run.py [--suite train|infer|ops] [--against numpy,torch,...] [--out FILE]

Without --suite all suites run, and --out FILE.json becomes FILE-train.json and so on. The other options are
those of the suites' own scripts.
"""

from __future__ import annotations

import sys

import infer
import ops
import suite
import train_lenet

SUITES = {"train": train_lenet.cells, "infer": infer.cells, "ops": ops.cells}


def main() -> int:
    parser = suite.parser(__doc__)
    parser.add_argument("--suite", choices=SUITES, help="only this one")
    arguments = parser.parse_args()
    if arguments.suite:
        return suite.run(arguments.suite, SUITES[arguments.suite], arguments)
    out, status = arguments.out, 0
    for name, cells in SUITES.items():
        if out:
            arguments.out = out.with_stem(f"{out.stem}-{name}")
        status |= suite.run(name, cells, arguments)
        print()
    return status


if __name__ == "__main__":
    sys.exit(main())
