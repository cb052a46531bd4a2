"""Mutations of text whose lines are its tokens: TOML, and the words of a command line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from . import NUMBERS

__all__ = ["lines_mutator"]


def lines_mutator(words: Sequence[str]) -> Callable[[Random, bytes, Sequence[bytes]], bytes]:
    """A mutator of lines that puts in ``words``, numbers, and lines of other seeds."""

    def mutate(rng: Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
        lines = data.decode(errors="surrogateescape").split("\n")
        others = rng.choice(seeds).decode(errors="surrogateescape").split("\n")
        for _ in range(rng.choice((1, 1, 2, 3))):
            n = rng.randrange(len(lines))
            choice = rng.randrange(7)
            if choice == 0 and len(lines) > 1:
                del lines[n]
            elif choice == 1:
                lines.insert(rng.randrange(len(lines) + 1), lines[n])
            elif choice == 2:
                lines.insert(n, rng.choice(others))
            elif choice == 3:
                lines.insert(n, _word(rng, words))
            elif "=" in lines[n]:
                key, _, value = lines[n].partition("=")
                lines[n] = f"{key}={value if choice == 4 else ''} {_word(rng, words)}"
            else:
                lines[n] = _word(rng, words)
        return "\n".join(lines).encode(errors="surrogateescape")

    return mutate


def _word(rng: Random, words: Sequence[str]) -> str:
    return str(rng.choice(NUMBERS)) if rng.random() < 0.4 else rng.choice(words)
