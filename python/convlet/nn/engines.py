"""Plans and engines of a net, made once for each shape of image."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeAlias
from weakref import WeakSet

import numpy as np
from numpy.typing import NDArray

from .. import _core
from .._arrays import Array, Images
from .module import Op
from .parameters import Store
from .softmax import LogSoftmax, Softmax
from .structure import Structure

__all__ = ["Engine", "Engines", "Entry", "Way", "machine_of", "plan"]

Engine: TypeAlias = _core.Engine | _core.CudaEngine

KEPT = 8  # plans and engines a net remembers; an engine of LeNet holds about 2 MB of activations a thread


class Entry:
    """The plan for one shape of image, and its engines for whoever holds the lock."""

    __slots__ = ("__weakref__", "_cuda_engine", "_engine", "busy", "plan")

    def __init__(self, made: _core.Plan) -> None:
        self.plan = made
        self.busy = threading.Lock()
        self._engine: _core.Engine | None = None
        self._cuda_engine: _core.CudaEngine | None = None
        _renewed_in_children.add(self)

    def renew(self) -> None:
        """In a forked child: an engine that was at work in another thread is left alone for ever."""
        if self.busy.locked():
            _left_behind.extend((self._engine, self._cuda_engine))
            self._engine = self._cuda_engine = None
            self.busy = threading.Lock()

    @property
    def engine(self) -> _core.Engine:
        """Made when it is needed first."""
        if self._engine is None:
            self._engine = _core.Engine(self.plan, 0)
        return self._engine

    @property
    def cuda_engine(self) -> _core.CudaEngine:
        """That on the GPU, likewise."""
        if self._cuda_engine is None:
            self._cuda_engine = _core.CudaEngine(self.plan)
        return self._cuda_engine


_renewed_in_children: WeakSet[Entry | Engines] = WeakSet()
_left_behind: list[Engine | None] = []
"""Engines that stopped halfway where their thread, which a fork does not copy, happened to be."""


def _renew() -> None:
    for holder in list(_renewed_in_children):
        holder.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)


class Way(NamedTuple):
    """How a batch went through a net: checked, planned, and with the parameters at hand."""

    structure: Structure
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    configuration: int
    stores: int
    entry: Entry
    parameters: Array

    @classmethod
    def of(cls, structure: Structure, images: Images, entry: Entry) -> Way | None:
        """The way of these images; None where the parameters are a copy, to be made anew by every call."""
        stores = Store.made
        parameters, live = structure.slots.gather()
        if not live:
            return None
        shape, configuration = images.shape[1:], _core.configuration()
        return cls(structure, shape, images.dtype, configuration, stores, entry, parameters)

    def suits(self, structure: Structure, x: NDArray[Any]) -> bool:
        """Whether the net is as it was, and another batch of the kind comes, as the engine takes it."""
        return (
            structure is self.structure
            and x.dtype is self.dtype
            and x.shape[1:] == self.shape
            and (flags := x.flags).c_contiguous
            and flags.aligned
            and Store.made == self.stores
            and _core.configuration() == self.configuration
        )


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
        _renewed_in_children.add(self)

    def renew(self) -> None:
        """In a forked child: nobody else looks for an engine."""
        self._lock = threading.Lock()

    @property
    def last_input_shape(self) -> tuple[int, ...] | None:
        """The shape that was asked for last."""
        return None if self._last is None else self._last.input_shape

    @contextmanager
    def engine(self, ops: Sequence[Op], input_shape: tuple[int, ...], device: str) -> Iterator[Engine]:
        """The engine for images of that shape on ``"cpu"`` or ``"cuda"``, for the calling thread alone."""
        entry = self.entry(ops, input_shape)
        with entry.busy:
            if device == "cpu":
                yield entry.engine
                return
            try:
                yield entry.cuda_engine
            finally:
                entry.cuda_engine.forget()  # the caller's arrays may hold other numbers the next time

    def entry(self, ops: Sequence[Op], input_shape: tuple[int, ...]) -> Entry:
        """Plan and engine for images of that shape that go through ``ops``."""
        last, configuration = self._last, _core.configuration()
        if last and last.ops is ops and last[1:3] == (input_shape, configuration):
            return last.entry
        # Layers are fixed once made, so they are their own key; threads and instruction set may change.
        key = (input_shape, tuple(ops), tuple(op.variant() for op in ops), configuration)
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                entry = self._entries[key] = Entry(plan(ops, input_shape))
                if len(self._entries) > KEPT:
                    self._entries.popitem(last=False)
            self._entries.move_to_end(key)
            self._last = _Last(ops, input_shape, configuration, entry)
            return entry


def machine_of(engine: Engine) -> dict[str, Any]:
    """What computes, for the record."""
    if isinstance(engine, _core.CudaEngine):
        return {"gpu": _core.cuda_info()["name"], "passes": engine.passes}
    return {"threads": engine.threads, "isa": _core.isa()}


def plan(ops: Sequence[Op], input_shape: tuple[int, ...]) -> _core.Plan:
    """The plan of ``ops`` for images of that shape, or a ``ValueError`` for layers that do not fit."""
    made = _core.Plan([op.planned() for op in ops], input_shape)
    for op, step in zip(ops, made.layers, strict=True):
        axes = len(step["input_shape"]) + 1
        if isinstance(op, Softmax | LogSoftmax) and op.dim not in (1, 1 - axes):
            raise ValueError(
                f"{type(op).__name__}: expected dim=1, that of channels or classes, in a Sequential, got "
                f"dim={op.dim} for images of shape {tuple(step['input_shape'])}"
            )
    return made
