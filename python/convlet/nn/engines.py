"""Plans and engines of a net, made once for each shape of image."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from .. import _core
from .module import Op
from .softmax import LogSoftmax, Softmax

__all__ = ["Engines", "plan"]

KEPT = 8  # plans and engines a net remembers; an engine of LeNet holds about 2 MB of activations a thread


@dataclass
class _Entry:
    plan: _core.Plan
    engine: _core.Engine | None = None
    busy: threading.Lock = field(default_factory=threading.Lock)


class Engines:
    """The last few engines, safe to use from several threads, which take turns at each of them."""

    def __init__(self) -> None:
        self._entries: OrderedDict[tuple[Any, ...], _Entry] = OrderedDict()
        self._lock = threading.Lock()

    def plan(self, ops: Sequence[Op], input_shape: tuple[int, ...]) -> _core.Plan:
        """How images of that shape go through ``ops``."""
        return self._entry(ops, input_shape).plan

    @contextmanager
    def engine(self, ops: Sequence[Op], input_shape: tuple[int, ...]) -> Iterator[_core.Engine]:
        """The engine for images of that shape, for the calling thread alone."""
        entry = self._entry(ops, input_shape)
        with entry.busy:
            if entry.engine is None:
                entry.engine = _core.Engine(entry.plan, 0)
            yield entry.engine

    def _entry(self, ops: Sequence[Op], input_shape: tuple[int, ...]) -> _Entry:
        # Layers are fixed once made, so they are their own key; the other two may change between calls.
        key = (input_shape, tuple(ops), _core.get_threads(), _core.isa())
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                entry = self._entries[key] = _Entry(plan(ops, input_shape))
                if len(self._entries) > KEPT:
                    self._entries.popitem(last=False)
            self._entries.move_to_end(key)
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
