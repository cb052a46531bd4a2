"""A public callable: one right call of it, and every wrong one that its arguments' kinds give."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from arguments.kinds import Kind


@dataclass(frozen=True)
class Subject:
    """`call(**right)` works; messages about it begin with `name`, or with a name in `voices`.

    `says` has the words that a message may use instead of an argument's name, `accepts` the wrong values that
    an argument takes for a reason, and `about` what a refusal must leave as it is.
    """

    name: str
    call: Callable[..., object]
    arguments: Mapping[str, Kind]
    says: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    accepts: Mapping[str, frozenset[str]] = field(default_factory=dict)
    about: tuple[object, ...] = ()
    voices: tuple[str, ...] = ()

    @property
    def right(self) -> dict[str, Any]:
        """The arguments of the call that works."""
        return {name: kind.right for name, kind in self.arguments.items()}

    def wrong_calls(self) -> Iterator[WrongCall]:
        for name, kind in self.arguments.items():
            for wrong in kind.wrong():
                if wrong.name not in self.accepts.get(name, ()):
                    yield WrongCall(self, name, wrong.name, wrong.value)


@dataclass(frozen=True)
class WrongCall:
    """The right call but for one argument."""

    subject: Subject
    argument: str
    kind: str
    value: Any

    def __call__(self) -> object:
        return self.subject.call(**{**self.subject.right, self.argument: self.value})

    def __str__(self) -> str:
        return f"{self.subject.name}({self.argument}={self.kind})"

    @property
    def words(self) -> tuple[str, ...]:
        """One of these stands in the message."""
        return (self.argument, *self.subject.says.get(self.argument, ()))


def state_of(value: object, depth: int = 6) -> object:
    """Everything that can be seen of a value, to be compared with what is seen later."""
    if isinstance(value, np.ndarray):
        flags = value.flags.writeable, value.strides
        content = repr(value.tolist()) if value.dtype.hasobject else value.tobytes()
        return value.dtype.str, value.shape, flags, content
    if depth == 0 or isinstance(value, str | bytes | int | float | complex | type(None) | type):
        return repr(value)
    if isinstance(value, Mapping):
        return [(repr(key), state_of(item, depth - 1)) for key, item in value.items()]
    if isinstance(value, tuple | list):
        return [state_of(item, depth - 1) for item in value]
    states = getattr(value, "state_dict", None)
    if callable(states) and not isinstance(value, type):
        return type(value).__name__, state_of(states(), depth - 1)
    if type(value).__module__.startswith("convlet."):
        return type(value).__name__, state_of(getattr(value, "__dict__", {}), depth - 1)
    return type(value).__name__
