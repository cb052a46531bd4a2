"""What an argument may be, by its kind: a size, a number, an array; and what it must never be.

A kind gives named wrong values. Its `right` value is that of the call that works.
"""

from __future__ import annotations

import decimal
import fractions
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np


class Wrong(NamedTuple):
    """A value that must be refused."""

    name: str
    value: Any


class Opaque:
    """No number, no array, no text."""

    def __repr__(self) -> str:
        return "Opaque()"


class BrokenIndex:
    """Says that it is an integer, and fails to give it."""

    def __index__(self) -> int:
        raise TypeError("no index")


NOT_NUMBERS: dict[str, Any] = {
    "None": None,
    "a word": "two",
    "digits": "2",
    "bytes": b"2",
    "a string of NumPy": np.str_("2"),
    "bytes of NumPy": np.bytes_(b"2"),
    "True": True,
    "a boolean of NumPy": np.True_,
    "a boolean array": np.array(True),
    "a complex number": 1j,
    "a complex number of NumPy": np.complex64(2),
    "a complex array": np.array(2 + 0j),
    "a string array": np.array("2"),
    "an object array": np.array(None, object),
    "a dict": {},
    "a set": {2},
    "an object": Opaque(),
    "a type": int,
    "a function": len,
    "a date": np.datetime64("2026-01-01"),
    "a time span": np.timedelta64(2, "s"),
    "a range": range(2, 3),
    "Ellipsis": ...,
}
FRACTIONS: dict[str, Any] = {
    "a fraction": 1.5,
    "a whole float": 2.0,
    "a float32": np.float32(2),
    "a float array": np.array(2.0),
    "NaN": float("nan"),
    "infinity": float("inf"),
    "a decimal": decimal.Decimal(2),
    "a rational": fractions.Fraction(2, 1),
    "an index that fails": BrokenIndex(),
}
INTEGERS = {
    "minus 1": -1,
    "minus 2**31": -(2**31),
    "minus 2**63": -(2**63),
    "minus 2**64 - 1": -(2**64) - 1,
    "2**31": 2**31,
    "2**32": 2**32,
    "2**62": 2**62,
    "2**63": 2**63,
    "2**64": 2**64,
    "10**400": 10**400,
    "an unsigned 2**63": np.uint64(2**63),
}


@dataclass(frozen=True)
class Kind:
    """An argument: its right value, and whether it may be `None`."""

    right: Any
    optional: bool = False

    def wrong(self) -> Iterator[Wrong]:
        """What must be refused, without what the option allows."""
        for name, value in self.values().items():
            if not (self.optional and value is None):
                yield Wrong(name, value)

    def values(self) -> dict[str, Any]:
        raise AssertionError(f"{type(self).__name__} has no wrong values")


@dataclass(frozen=True)
class Integer(Kind):
    """An integer in `low..high`; `None` for an end that is not looked at."""

    low: int = 1
    high: int = 2**31 - 1

    def values(self) -> dict[str, Any]:
        beyond = {name: n for name, n in INTEGERS.items() if not self.low <= int(n) <= self.high}
        ends = {"one below the least": self.low - 1, "one above the most": self.high + 1}
        return {**NOT_NUMBERS, **FRACTIONS, "a list": [2], "an array of one": np.array([2]), **beyond, **ends}


@dataclass(frozen=True)
class Size(Kind):
    """An integer or a pair."""

    low: int = 1
    sides: bool = False

    def values(self) -> dict[str, Any]:
        single = Integer(self.right, low=self.low).values()
        del single["a list"], single["an array of one"], single["a range"]
        pairs = {
            "a pair with a fraction": (1, 1.5),
            "a pair with a bool": (1, True),
            "a pair with None": (1, None),
            "a pair too small": (1, self.low - 1),
            "a pair too large": (1, 2**62),
            "a pair of pairs": ((1, 1), (1, 1)),
            "a pair of words": ("1", "1"),
            "no number": (),
            "one number": [1],
            "three numbers": (1, 1, 1),
            "five numbers": [1, 1, 1, 1, 1],
            "a float array of two": np.array([1.0, 1.0]),
            "a square array": np.ones((2, 2), int),
        }
        return {**single, **pairs} if self.sides else {**single, **pairs, "four numbers": (1, 1, 1, 1)}


@dataclass(frozen=True)
class Number(Kind):
    """A finite real number in `low..high`."""

    low: float = 0.0
    high: float = float("inf")

    def values(self) -> dict[str, Any]:
        beyond = {"below the least": self.low - 0.5} if self.low > -np.inf else {}
        if self.high < np.inf:
            beyond |= {"above the most": self.high + 0.5, "10**30": 10**30}
        return {
            **NOT_NUMBERS,
            "NaN": float("nan"),
            "infinity": float("inf"),
            "minus infinity": float("-inf"),
            "NaN of NumPy": np.float32("nan"),
            "a NaN array": np.array(np.nan),
            "a decimal NaN": decimal.Decimal("nan"),
            "a signalling NaN": decimal.Decimal("snan"),
            "10**400": 10**400,
            "a list": [0.5],
            "an array of one": np.array([0.5]),
            "an array of two": np.array([0.5, 0.5]),
            **beyond,
        }


@dataclass(frozen=True)
class Flag(Kind):
    """`True` or `False`."""

    right: Any = False

    def values(self) -> dict[str, Any]:
        words = {"0": 0, "1": 1, "a 1 of NumPy": np.int64(1), "yes": "yes", "False as a word": "False"}
        others = {"None": None, "1.0": 1.0, "no list": [], "an object": Opaque(), "NaN": float("nan")}
        return {**words, **others, "booleans": np.array([True, False]), "bytes": b"1"}


@dataclass(frozen=True)
class Word(Kind):
    """One of some words."""

    def values(self) -> dict[str, Any]:
        word = str(self.right)
        unknown = {"no word": "", "an unknown word": "nonsense", "another case": word.upper().swapcase()}
        spaced = {"a space": f" {word}", "a zero byte": f"{word}\0", "a lone surrogate": "\ud800"}
        others = {"bytes": word.encode(), "None": None, "a number": 1, "a bool": True, "a list": [word]}
        more = {"a dict": {word: 1}, "an object": Opaque(), "an array": np.array([word]), "NaN": float("nan")}
        known = {word}
        return {n: v for n, v in {**unknown, **spaced, **others, **more}.items() if not _is_in(v, known)}


@dataclass(frozen=True)
class Scales(Kind):
    """Some numbers, from 1/64 to 64."""

    def values(self) -> dict[str, Any]:
        numbers = Number(1.0, low=1 / 64, high=64).values()
        seconds = {f"{name} as the second": (1.0, value) for name, value in numbers.items()}
        return {**seconds, "None": None, "a number": 1.0, "no scale": (), "a word": "1.0", "a bool": True}


@dataclass(frozen=True)
class Share(Number):
    """A number between 0 and 1."""

    high: float = 1.0

    def values(self) -> dict[str, Any]:
        return {**super().values(), "0": 0, "1": 1, "next to nothing": 5e-324}


@dataclass(frozen=True)
class Betas(Kind):
    """Two numbers from 0 and below 1."""

    def values(self) -> dict[str, Any]:
        numbers = {
            f"{name} as the second": (0.9, value) for name, value in Number(0.5, high=1).values().items()
        }
        lengths = {"no number": (), "one number": (0.9,), "three numbers": (0.9, 0.9, 0.9), "a number": 0.9}
        others = {"None": None, "a word": "ab", "a dict": {0.9: 1, 0.8: 2}, "a set": {0.9, 0.8}}
        return {
            **numbers,
            **lengths,
            **others,
            "1 as the second": (0.9, 1.0),
            "an array": np.array([0.9, 0.9]),
        }


ZERO_BYTE = "a zero byte"


@dataclass(frozen=True)
class Path(Kind):
    """The name of a file or folder, about which Python itself speaks: without the name of the op."""

    def values(self) -> dict[str, Any]:
        plain = {"None": None, "a number": 1, "a fraction": 0.5, "a bool": True, "a list": ["a"]}
        return {**plain, "an object": Opaque(), "a dict": {}, "NaN": float("nan"), ZERO_BYTE: "a\0b"}


@dataclass(frozen=True)
class Name(Kind):
    """Any text."""

    def values(self) -> dict[str, Any]:
        plain = {"None": None, "a number": 1, "a fraction": 0.5, "a bool": True, "bytes": b"x"}
        return {**plain, "an object": Opaque(), "a tuple": ("a",), "an empty word": ""}


@dataclass(frozen=True)
class Names(Kind):
    """The names of some classes, each another one."""

    def values(self) -> dict[str, Any]:
        lists = {
            "numbers": [0, 1, 2],
            "bytes in a list": [b"a", b"b", b"c"],
            "None in a list": ["a", None, "c"],
        }
        return {
            **lists,
            "None": None,
            "a word": "abc",
            "a number": 3,
            "too few": ["a"],
            "an object": Opaque(),
        }


@dataclass(frozen=True)
class Shape(Kind):
    """The shape of an image, (C, H, W)."""

    def values(self) -> dict[str, Any]:
        channels, *rest = self.right
        first = {f"{name} as a size": (value, *rest) for name, value in {**NOT_NUMBERS, **FRACTIONS}.items()}
        return {
            **first,
            **{f"{name} channels": (value, *rest) for name, value in INTEGERS.items()},
            "no rows": (channels, 0, *rest[1:]),
            "no sizes": (),
            "two sizes": self.right[:2],
            "four sizes": (1, *self.right),
            "a word": "1,6,6",
            "None": None,
            "a dict": {1: 1, 6: 6, 7: 7},
            "an object": Opaque(),
            "a float array": np.array(self.right, float),
        }


@dataclass(frozen=True)
class Instance(Kind):
    """An object of a class, or of one that behaves like it."""

    def values(self) -> dict[str, Any]:
        plain = {
            "None": None,
            "a number": 1,
            "a fraction": 0.5,
            "a bool": True,
            "a word": "sgd",
            "bytes": b"x",
        }
        return {
            **plain,
            "an object": Opaque(),
            "a dict": {},
            "a list": [],
            "a class": dict,
            "an array": np.ones(2),
        }


def _is_in(value: Any, known: set[str]) -> bool:
    return isinstance(value, str) and value in known
