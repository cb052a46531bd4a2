"""What is fuzzed: a parser, its valid inputs, and the errors that it may raise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from .mutators import Mutator
from .mutators.blobs import mutate_bytes

__all__ = ["Target", "make_input"]

_STRUCTURED = 0.7  # of the inputs, where a mutator knows the structure
_LARGEST_BYTES = 4 << 20  # of an input; nesting within nesting doubles its backslashes each time


@dataclass(frozen=True)
class Target:
    """One parser.

    Attributes:
        name: on the command line and in tables.
        seeds: makes valid inputs, small ones, by the library itself where it can write them.
        parse: what reads an input; the folder is there for those that read files.
        refusals: the exceptions that its documentation names.
        mutators: of its inputs' structure.
        share: how many of the inputs it gets beyond the least, relative to the others; 0 for the slow ones.
        by_bytes: whether bytes are changed too; not where an input is a description that the target reads.
        file: the name of the file in the folder that a refusal must begin with, if it reads one.
    """

    name: str
    seeds: Callable[[], Sequence[bytes]]
    parse: Callable[[bytes, Path], object]
    refusals: tuple[type[BaseException], ...] = (ValueError,)
    mutators: tuple[Mutator, ...] = ()
    share: int = 0
    by_bytes: bool = True
    file: str = ""


def make_input(target: Target, seeds: Sequence[bytes], seed: int, number: int) -> bytes:
    """The input of that number, the same for equal seeds."""
    return mutated(target, seeds, Random(f"{target.name}/{seed}/{number}"))


def mutated(target: Target, seeds: Sequence[bytes], rng: Random) -> bytes:
    """A seed with a change of its structure, or of its bytes, or both."""
    data = rng.choice(seeds)
    by_bytes = rng.choice((1, 1, 1, 2, 4))
    if target.mutators and (not target.by_bytes or rng.random() < _STRUCTURED):
        try:
            data = rng.choice(target.mutators)(rng, data, seeds)
            by_bytes = rng.choice((0, 0, 0, 1))
        except Exception:  # of whatever library reads the structure
            by_bytes = max(1, by_bytes)
    for _ in range(by_bytes if target.by_bytes else 0):
        data = mutate_bytes(rng, data, seeds)
    return data[:_LARGEST_BYTES]
