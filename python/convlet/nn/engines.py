"""Plans and engines of a net, made once for each shape of image."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from .. import _core
from .module import Op
from .softmax import LogSoftmax, Softmax

__all__ = ["Engines", "plan"]

KEPT = 8  # plans and engines a net remembers; an engine of LeNet holds about 2 MB of activations a thread


class Entry:
    """The plan for one shape of image, and its engine for whoever holds the lock."""

    __slots__ = ("_engine", "busy", "plan")

    def __init__(self, made: _core.Plan) -> None:
        self.plan = made
        self.busy = threading.Lock()
        self._engine: _core.Engine | None = None

    @property
    def engine(self) -> _core.Engine:
        """Made when it is needed first."""
        if self._engine is None:
            self._engine = _core.Engine(self.plan, 0)
        return self._engine


class _Last(NamedTuple):
    """What was asked for last, and the answer: most calls of a net are like the call before."""

    ops: Sequence[Op]
    input_shape: tuple[int, ...]
    configuration: int
    entry: Entry


class Engines:
    """The last few engines, safe to use from several threads, which take turns at each of them."""

    def __init__(self) -> None:
        self._entries: OrderedDict[tuple[Any, ...], Entry] = OrderedDict()
        self._last: _Last | None = None
        self._lock = threading.Lock()

    @contextmanager
    def engine(self, ops: Sequence[Op], input_shape: tuple[int, ...]) -> Iterator[_core.Engine]:
        """The engine for images of that shape, for the calling thread alone."""
        entry = self.entry(ops, input_shape)
        with entry.busy:
            yield entry.engine

    def entry(self, ops: Sequence[Op], input_shape: tuple[int, ...]) -> Entry:
        """Plan and engine for images of that shape that go through ``ops``."""
        last, configuration = self._last, _core.configuration()
        if last and last.ops is ops and last[1:3] == (input_shape, configuration):
            return last.entry
        # Layers are fixed once made, so they are their own key; threads and instruction set may change.
        key = (input_shape, tuple(ops), configuration)
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                entry = self._entries[key] = Entry(plan(ops, input_shape))
                if len(self._entries) > KEPT:
                    self._entries.popitem(last=False)
            self._entries.move_to_end(key)
            self._last = _Last(ops, input_shape, configuration, entry)
            return entry


def plan(ops: Sequence[Op], input_shape: tuple[int, ...]) -> _core.Plan:
    """The plan of ``ops`` for images of that shape, or a ``ValueError`` for layers that do not fit."""
    made = _core.Plan([op.spec() for op in ops], input_shape)
    for op, step in zip(ops, made.layers, strict=True):
        axes = len(step["input_shape"]) + 1
        if isinstance(op, Softmax | LogSoftmax) and op.dim not in (1, 1 - axes):
            raise ValueError(
                f"{type(op).__name__}: expected dim=1, that of channels or classes, in a Sequential, got "
                f"dim={op.dim} for images of shape {tuple(step['input_shape'])}"
            )
    return made
