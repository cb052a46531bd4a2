"""``python -m tests.parsers --inputs 1000000 --seed 0 [--target NAME] [--jobs N]``: mutated inputs, judged.

Exit status 0 if every input was accepted or refused as documented, in a second of CPU time and in bounded
memory; 1 with each input that was not as a file and as a command that repeats it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

TESTS = Path(__file__).parents[1]


def main(words: Sequence[str] | None = None) -> int:
    """Run what the command line asks for, and return its exit status."""
    from parsers import campaign
    from parsers.targets import TARGETS

    parser = argparse.ArgumentParser(prog="python -m tests.parsers", description=__doc__)
    parser.add_argument("--inputs", type=int, default=20_000, help="of all targets together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--target", action="append", choices=list(TARGETS), help="one of them, else all")
    parser.add_argument("--jobs", type=int, default=1, help="worker processes")
    parser.add_argument("--least", type=int, default=0, help="inputs that every target gets at least")
    parser.add_argument("--number", type=int, help="one input of one target, by its number")
    parser.add_argument("--file", type=Path, help="one input of one target, from a file")
    parser.add_argument("--keep", type=Path, default=Path("parsers-failures"), help="where failing inputs go")
    given = parser.parse_args(words)
    targets = [TARGETS[name] for name in given.target or TARGETS]
    if given.number is not None or given.file is not None:
        return campaign.repeat(targets[0], given.seed, given.number, given.file)
    return campaign.run(targets, given.inputs, given.least, given.seed, given.jobs, given.keep)


if __name__ == "__main__":
    sys.path.insert(0, str(TESTS))
    sys.exit(main())
