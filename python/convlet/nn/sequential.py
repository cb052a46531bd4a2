"""Layers one after the other."""

from __future__ import annotations

import itertools
import operator
import reprlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, SupportsIndex, overload

from .engines import Engines
from .lazy import Lazy
from .module import Layer, join
from .network import Network
from .parameters import join as join_parameters
from .structure import Structure, structure_of

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Sequential"]


class Sequential(Network):
    """A net: layers, each of which takes what the one before it gives.

    ``net[0]`` is the first layer and ``net[2:5]`` a net of some of them, with the same parameters.
    Layers may be Sequentials themselves.

    All parameters lie in one float32 buffer, in layer order. ``net.parameters()`` and ``net[0].weight`` are
    live views of it. A layer with parameters can stand only once in a net, but in several nets: they then
    share its parameters, and the nets that it joined later gather theirs into one array for every call.

    Where images enter a net (:meth:`__call__`, :meth:`predict`, :meth:`evaluate`,
    :meth:`loss_and_gradients`) they are uint8, which is scaled by 1/255, or of a floating-point type, taken
    as they are.

    Args:
        layers: layers, named "0", "1", ... in parameters; or one mapping of names to layers.

    Raises:
        TypeError: what is no layer.
        ValueError: a name that is empty or holds a dot, or a layer with parameters that stands twice.
    """

    _appended: ClassVar[int] = (
        0  # how often any net has grown; a net does not know the nets that it stands in
    )

    def __init__(self, *layers: Layer | Mapping[str, Layer]) -> None:
        if len(layers) == 1 and isinstance(layers[0], Mapping):
            named = dict(layers[0])
        else:
            named = {str(n): layer for n, layer in enumerate(layers)}  # type: ignore[misc]
        for name, layer in named.items():
            _check_layer(name, layer)
        self._layers: dict[str, Layer] = named
        self._flat: tuple[int, Structure] | None = None
        self._engines = Engines()
        self._steps = itertools.count()
        join_parameters(self.structure.slots)

    def __len__(self) -> int:
        return len(self._layers)

    def __iter__(self) -> Iterator[Layer]:
        return iter(self._layers.values())

    @overload
    def __getitem__(self, index: SupportsIndex) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Sequential: ...
    def __getitem__(self, index: SupportsIndex | slice) -> Any:
        """One layer, or a net of some layers under the names and with the parameters that they have here."""
        if isinstance(index, slice):
            part = Sequential()
            part._layers.update(list(self._layers.items())[index])  # and nothing moves
            part._flat = None
            return part
        number = operator.index(index)
        if not -len(self) <= number < len(self):
            raise IndexError(f"Sequential: expected an index into {len(self)} layers, got {number}")
        return list(self._layers.values())[number]

    if not TYPE_CHECKING:  # else every misspelt attribute would be a layer to the type checker

        def __getattr__(self, name):
            """A layer by the name it was given in a mapping."""
            layers = self.__dict__.get("_layers", {})
            if name not in layers:
                raise AttributeError(f"Sequential has neither an attribute nor a layer {name!r}")
            return layers[name]

    def append(self, layer: Layer) -> Self:
        """Add a layer at the end, and return the net.

        Raises:
            TypeError: what is no layer.
            ValueError: a layer with parameters that is in the net already, or the net itself.
        """
        name = next(name for name in map(str, itertools.count(len(self))) if name not in self._layers)
        _check_layer(name, layer)
        if any(inner is self for inner in _nets(layer)):
            raise ValueError("Sequential: expected another net to append, got the net itself")
        self._layers[name] = layer
        Sequential._appended += 1
        try:
            join_parameters(self.structure.slots)
        except ValueError:
            del self._layers[name]
            raise
        return self

    def train(self, mode: bool = True) -> Self:
        """As :meth:`Layer.train`, for the net and all that is in it."""
        for layer in self._layers.values():
            layer.train(mode)
        return super().train(mode)

    @property
    def structure(self) -> Structure:
        """The ops of the net, flattened; worked out anew once any net or layer has changed."""
        state = Sequential._appended + Lazy.settled + Layer.changes
        if self._flat is None or self._flat[0] != state:
            lazy = self._flat is not None and self._flat[1].lazy
            named = (
                (join(name, inner), op)
                for name, layer in self._layers.items()
                for inner, op in layer.ops().items()
            )
            self._flat = (state, structure_of(dict(named)))
            if lazy and not self._flat[1].lazy:
                join_parameters(self._flat[1].slots)
        return self._flat[1]

    def __repr__(self) -> str:
        lines = [f"({name}): {layer!r}".replace("\n", "\n  ") for name, layer in self._layers.items()]
        return (
            f"{type(self).__name__}(" + "".join(f"\n  {line}" for line in lines) + ("\n)" if lines else ")")
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # From here a deep copy gets parameters of its own, and a shallow one shares them.
        return _copied, (type(self), dict(self._layers), self._training)


def _check_layer(name: object, layer: object) -> None:
    if not isinstance(name, str):
        raise TypeError(f"Sequential: expected names of type str, got {name!r}")
    if not name or "." in name:
        raise ValueError(f"Sequential: expected names that are not empty and hold no dot, got {name!r}")
    if not isinstance(layer, Layer):
        raise TypeError(
            f"Sequential: expected layers of convlet.nn, got {reprlib.repr(layer)} as layer {name}"
        )


def _copied(kind: type[Sequential], layers: dict[str, Layer], training: bool = True) -> Sequential:
    """A net of that class and of these layers, for ``copy`` and ``pickle``."""
    net = kind.__new__(kind)
    Sequential.__init__(net, layers)
    net._training = training
    return net


def _nets(layer: Layer) -> Iterator[Sequential]:
    """A net and all nets in it."""
    if isinstance(layer, Sequential):
        yield layer
        for inner in layer:
            yield from _nets(inner)
