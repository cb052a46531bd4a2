"""Mutations of JSON that stays JSON, mostly: values, keys, lists, texts that hold JSON themselves."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

from . import NUMBERS

__all__ = ["Pairs", "Raw", "dump", "mutate_json", "mutate_value", "parse"]


class Pairs(list[list[Any]]):
    """A JSON object as a list of ``[key, value]``, so that a key may stand twice."""


class Raw(str):
    """Text that goes into the JSON as it is."""


class _Text:
    """A string whose text is JSON itself, as metadata hold it."""

    def __init__(self, value: Any) -> None:
        self.value = value


_WORDS = (
    "",
    "a",
    "0",
    "net.",
    "..",
    ".",
    "a.b",
    "\0",
    "\ud800",
    "ß漢",
    "../../etc/passwd",
    "x" * 3000,
    "F32",
)
_DEEP = (Raw("[" * 100_000), Raw("[" * 3000 + "]" * 3000), Raw('{"a":' * 3000 + "1" + "}" * 3000))
_LITERALS = (None, True, False, 0.5, -0.0, 1e308, Raw("1e999"), Raw("NaN"), Raw("-Infinity"), Raw("9" * 5000))


def mutate_json(rng: Random, data: bytes, seeds: Sequence[bytes] = ()) -> bytes:
    """JSON with one to three changes (``ValueError`` for bytes that are no JSON)."""
    return dump(mutate_value(rng, parse(data.decode()))).encode(errors="surrogatepass")


def parse(text: str) -> Any:
    """JSON as lists, :class:`Pairs`, and texts that may hold JSON."""
    return _unfold(json.loads(text, object_pairs_hook=lambda pairs: Pairs([k, v] for k, v in pairs)))


def _unfold(value: Any) -> Any:
    if isinstance(value, list):
        for n, item in enumerate(value):
            if isinstance(value, Pairs):
                item[1] = _unfold(item[1])
            else:
                value[n] = _unfold(item)
    elif isinstance(value, str) and value[:1] in ("[", "{"):
        try:
            return _Text(parse(value))
        except ValueError:
            return value
    return value


def dump(value: Any) -> str:
    """The text of what :func:`parse` gave."""
    if isinstance(value, Raw):
        return value
    if isinstance(value, _Text):
        return json.dumps(dump(value.value))
    if isinstance(value, Pairs):
        return "{" + ",".join(f"{json.dumps(key)}:{dump(item)}" for key, item in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(dump, value)) + "]"
    return json.dumps(value)


def mutate_value(rng: Random, value: Any) -> Any:
    """What :func:`parse` gave with one to three changes in it."""
    root = [copy.deepcopy(value)]
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        holders = list(_holders(root))
        holder = rng.choice(holders)
        if len(holder) == 0 or holder is root or rng.random() < 0.6:
            _replace(rng, rng.choice([h for h in holders if h]), holders)
        else:
            _restructure(rng, holder)
    return root[0]


def _holders(value: Any) -> Iterator[list[Any]]:
    """Every list and object in a value."""
    if isinstance(value, _Text):
        yield from _holders(value.value)
    elif isinstance(value, list):
        yield value
        for item in value:
            yield from _holders(item[1] if isinstance(value, Pairs) else item)


def _replace(rng: Random, holder: list[Any], holders: list[list[Any]]) -> None:
    """Another value in the place of one."""
    n = rng.randrange(len(holder))
    old = holder[n][1] if isinstance(holder, Pairs) else holder[n]
    choice = rng.random()
    if choice < 0.4 or (isinstance(old, int) and choice < 0.7):
        new: Any = rng.choice(NUMBERS)
    elif choice < 0.55:
        new = rng.choice(_LITERALS)
    elif choice < 0.65:
        new = rng.choice(_WORDS)
    elif choice < 0.68:
        new = rng.choice(_DEEP)
    elif choice < 0.8:
        new = rng.choice(([], Pairs(), [old], [old, old], Pairs([["a", old]]), [[[[old]]]], [0] * 1000))
    else:
        other = rng.choice([h for h in holders if h])
        item = rng.choice(other)
        new = copy.deepcopy(item[1] if isinstance(other, Pairs) else item)
    if isinstance(holder, Pairs):
        holder[n][1] = new
    else:
        holder[n] = new


def _restructure(rng: Random, holder: list[Any]) -> None:
    """An entry goes, comes twice, moves, or changes its key."""
    n = rng.randrange(len(holder))
    choice = rng.randrange(5)
    if choice == 0:
        del holder[n]
    elif choice == 1:
        holder.insert(rng.randrange(len(holder) + 1), copy.deepcopy(holder[n]))
    elif choice == 2:
        holder.append(holder.pop(n))
    elif isinstance(holder, Pairs):
        holder[n][0] = rng.choice(_WORDS) if choice == 3 else rng.choice(holder)[0]
    else:
        holder += [copy.deepcopy(holder[n])] * rng.choice((1, 10, 300))
