"""``python -m tests.parsers.guided --target NAME --runs N``: coverage leads the mutations.

Atheris (``pip install atheris``, Linux, Python 3.11 to 3.13) watches which branches of convlet's Python code
an input takes, and goes on from those that took new ones; it mutates by itself and by the mutators here. The
first problem ends the run with status 1 and a file that repeats it. At the end come the lines of convlet that
its inputs reached, beside those of as many blind mutations.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any

TESTS = Path(__file__).parents[1]
_OURS = 0.7  # of the mutations; the others are Atheris's own


def fuzz(name: str, runs: int, seed: int, corpus: str) -> None:
    """Let Atheris run; it ends the process itself."""
    import atheris

    with atheris.instrument_imports(include=["convlet"]):
        from parsers.target import mutated
        from parsers.targets import TARGETS
        from parsers.trial import attempt
    target = TARGETS[name]
    seeds = target.seeds()
    folder = TemporaryDirectory()

    def one_input(data: bytes) -> None:
        problem = attempt(target, data, Path(folder.name)).problem
        if problem is not None:
            raise RuntimeError(problem)

    def mutate(data: bytes, most_bytes: int, drawn: int) -> bytes:
        rng = Random(drawn)
        if rng.random() < _OURS or not target.by_bytes:
            return mutated(target, [data, *seeds] if rng.random() < 0.2 else [data], rng)[:most_bytes]
        return bytes(atheris.Mutate(data, most_bytes))

    options = [f"-runs={runs}", f"-seed={seed + 1}", "-max_len=65536", "-len_control=0", "-timeout=20"]
    quiet = ["-verbosity=0", "-print_final_stats=0", f"-artifact_prefix={name}-"]
    atheris.Setup([sys.argv[0], *options, *quiet, corpus], one_input, custom_mutator=mutate)
    atheris.Fuzz()


def lines_reached(name: str, inputs: Iterable[bytes]) -> set[tuple[str, int]]:
    """The lines of convlet's Python code that run while a target parses these inputs."""
    from parsers.targets import TARGETS
    from parsers.trial import attempt

    reached: set[tuple[str, int]] = set()

    def within(frame: FrameType, event: str, _: Any) -> Any:
        if event == "line":
            reached.add((frame.f_code.co_filename, frame.f_lineno))
        return within

    def entering(frame: FrameType, event: str, _: Any) -> Any:
        return within if "/convlet/" in frame.f_code.co_filename else None

    with TemporaryDirectory() as folder:
        for data in inputs:
            sys.settrace(entering)
            try:
                attempt(TARGETS[name], data, Path(folder))
            finally:
                sys.settrace(None)
    return reached


def compare(name: str, runs: int, seed: int) -> int:
    """Fuzz one target, and print what its guided and as many blind inputs reach."""
    from parsers.target import make_input
    from parsers.targets import TARGETS

    target = TARGETS[name]
    seeds = target.seeds()
    with TemporaryDirectory() as corpus:
        for number, data in enumerate(seeds):
            (Path(corpus) / f"seed{number}").write_bytes(data)
        words = ["--target", name, "--runs", str(runs), "--seed", str(seed), "--corpus", corpus]
        done = subprocess.run([sys.executable, __file__, *words], capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"{name}: {done.stdout}{done.stderr}")
            return 1
        kept = [path.read_bytes() for path in sorted(Path(corpus).iterdir())]
    valid = lines_reached(name, seeds)
    guided = valid | lines_reached(name, kept)
    blind = valid | lines_reached(name, (make_input(target, seeds, seed, number) for number in range(runs)))
    print(
        f"{name:<17}{runs:>8,} inputs each; lines by the seeds {len(valid)}, blind {len(blind)}, guided "
        f"{len(guided)}; only guided {len(guided - blind)}, only blind {len(blind - guided)}; "
        f"{len(kept)} inputs kept",
        flush=True,
    )
    return 0


def main(words: Sequence[str] | None = None) -> int:
    """Compare the targets that are named, or, with ``--corpus``, fuzz one."""
    parser = argparse.ArgumentParser(prog="python -m tests.parsers.guided", description=__doc__)
    parser.add_argument("--target", action="append", required=True)
    parser.add_argument("--runs", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--corpus")
    given = parser.parse_args(words)
    if given.corpus is not None:
        fuzz(given.target[0], given.runs, given.seed, given.corpus)
    return max(compare(name, given.runs, given.seed) for name in given.target)


if __name__ == "__main__":
    sys.path.insert(0, str(TESTS))
    sys.exit(main())
