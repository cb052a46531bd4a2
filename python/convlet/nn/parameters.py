"""Where parameters lie: the layers of a net share one float32 buffer, in layer order, weight then bias.

The buffer is made when its first number is needed, so that a net of 10^9 weights can be described without
the memory to hold it.
"""

from __future__ import annotations

import itertools
import math
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from .._arrays import Array, Numbers, aligned, as_float32

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["ParameterDict", "Slot", "Slots", "Store", "join", "parameters_lock", "write"]

Shapes = Mapping[str, tuple[int, ...]]
_lock = threading.RLock()
_trained: set[int] = set()  # the ids of the slots that are being trained


def parameters_lock() -> threading.RLock:
    """Held by whoever draws, moves, copies out or loads all parameters of a layer or net.

    So two threads that use a new net at once do not both draw its weights, and what is copied out while
    another thread loads is the old state or the new one.
    """
    return _lock


def _renew() -> None:
    """In a forked child, where no other thread draws or trains."""
    global _lock
    _lock = threading.RLock()
    _trained.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)


class Slot:
    """The parameters of one layer: a piece of a store's buffer, at first of a store of its own."""

    def __init__(self, shapes: Shapes, draw: Callable[[dict[str, Array]], None]) -> None:
        """``draw`` gives new arrays of these shapes their first values."""
        self.shapes = dict(shapes)
        self.size = sum(math.prod(shape) for shape in self.shapes.values())
        self.draw = draw
        self.views: dict[str, Array] = {}
        self.store = Store([self])

    def __getitem__(self, name: str) -> Array:
        """The live array of that name; it is drawn now if it never was needed before."""
        self.store.make()
        return self.views[name]

    @property
    def numbers(self) -> Array:
        """All of them behind each other, live."""
        return self.store.make()[self.offset : self.offset + self.size]

    @property
    def offset(self) -> int:
        """Where in the store's buffer it begins."""
        return self.store.offsets[id(self)]


class Store:
    """One buffer, and the slots that lie in it one behind the other."""

    made: ClassVar[int] = 0
    """How many there have been; what is known of where parameters lie holds until the next."""

    def __init__(self, slots: Sequence[Slot]) -> None:
        """Take the slots over with what they hold; arrays that were handed out before become read-only."""
        self.slots = list(slots)
        ends = list(itertools.accumulate((slot.size for slot in slots), initial=0))
        self.size = ends.pop()
        self.offsets = dict(zip(map(id, self.slots), ends, strict=True))
        self._buffer: Array | None = None
        with parameters_lock():
            if any(slot.views for slot in slots):
                self._make()
            for slot in slots:
                slot.store = self
            Store.made += 1

    def make(self) -> Array:
        """The buffer, (P,), on a cache line; made and drawn at the first call."""
        if self._buffer is None:
            with parameters_lock():
                if self._buffer is None:
                    self._make()
        assert self._buffer is not None
        return self._buffer

    def _make(self) -> None:
        buffer = aligned((self.size,))
        for slot in self.slots:
            start, views = self.offsets[id(slot)], {}
            for name, shape in slot.shapes.items():
                stop = start + math.prod(shape)
                views[name] = buffer[start:stop].reshape(shape)
                start = stop
            if not slot.views:
                slot.draw(views)
            for name, array in slot.views.items():
                views[name][...] = array
                array.flags.writeable = False  # what is no longer a parameter must not swallow writes
            slot.views = views
        self._buffer = buffer


class ParameterDict(dict[str, Array]):
    """Live views of parameters by name; assigning to an item writes into the parameter.

    A copy, shallow or deep, is a plain dict.
    """

    def __setitem__(self, name: str, value: Numbers) -> None:
        """Copy ``value`` into the parameter, whose shape it must have (``ValueError``)."""
        if name not in self:
            raise KeyError(f"expected one of {', '.join(self)}, got {name}")
        if value is not self[name]:  # `parameters["0.weight"] -= step` ends here, and is done already
            write("parameters", name, self[name], value)

    def update(self, *others: Any, **named: Numbers) -> None:
        """Assign to several items."""
        for name, value in dict(*others, **named).items():
            self[name] = value

    def __ior__(self, other: Any) -> Self:  # type: ignore[override,misc]
        self.update(other)
        return self

    def __reduce__(self) -> tuple[type[dict[str, Array]], tuple[dict[str, Array]]]:
        return dict, (dict(self),)


def write(op: str, name: str, parameter: Array, value: Numbers) -> None:
    """Copy ``value`` into ``parameter``, whose shape it must have."""
    array = as_float32(op, name, value)
    if array.shape != parameter.shape:
        raise ValueError(f"{op}: expected {name} of shape {parameter.shape}, got {array.shape}")
    np.copyto(parameter, array)


def join(slots: Sequence[Slot]) -> None:
    """Put ``slots`` into one buffer of their own, in this order.

    Nothing moves if they already lie so, nor if a buffer of theirs also serves layers that are not among
    them: what another net handed out stays live, and this one gathers its parameters at every call.
    """
    stores = list({id(slot.store): slot.store for slot in slots}.values())
    if len(stores) == 1 and stores[0].slots == list(slots):
        return
    members = set(map(id, slots))
    if all(id(slot) in members for store in stores for slot in store.slots):
        Store(slots)


class Slots(list[Slot]):
    """The slots of a net, in the order of its layers."""

    def __init__(self, slots: Iterable[Slot] = ()) -> None:
        super().__init__(slots)
        self._live: tuple[int, Array] | None = None
        """The answer of :meth:`gather`, and how many stores there were: it holds until the next one."""

    def gather(self) -> tuple[Array, bool]:
        """All parameters as one array (P,), and whether it is live: a view and not a copy."""
        if self._live is not None and self._live[0] == Store.made:
            return self._live[1], True
        if not self:
            return np.empty(0, np.float32), True
        made, store, start = Store.made, self[0].store, self[0].offset
        stop = start
        for slot in self:
            if slot.store is not store or slot.offset != stop:
                return np.concatenate([slot.numbers for slot in self]), False
            stop += slot.size
        values = store.make()[start:stop]
        self._live = made, values
        return values, True

    @contextmanager
    def trained_alone(self, op: str) -> Iterator[None]:
        """Meanwhile nothing else trains any of them; ``RuntimeError`` if something does already."""
        own = set(map(id, self))
        with parameters_lock():
            if own & _trained:
                raise RuntimeError(
                    f"{op}: expected a net that nothing else is training, got one that a call of fit trains"
                )
            _trained.update(own)
        try:
            yield
        finally:
            with parameters_lock():
                _trained.difference_update(own)

    def scatter(self, values: Array) -> None:
        """Write a copy that :meth:`gather` made back to where its numbers came from."""
        start = 0
        for slot in self:
            slot.numbers[...] = values[start : start + slot.size]
            start += slot.size
