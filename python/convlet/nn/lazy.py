"""Layers that learn the size of their input from the first images that they see.

They then become the layer that they stand for, of that class and with no trace of what they were, as in
PyTorch. Until then they have no parameters, and whoever asks for some is told so.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, SupportsIndex

from .. import _core
from .._arrays import Numbers, Operand, Padding, Size, as_array, integer
from .conv2d import Conv2d
from .linear import Linear
from .module import Op, Weighted
from .parameters import Slot, parameters_lock

__all__ = ["Lazy", "LazyConv2d", "LazyLinear", "settle"]


class Lazy(Weighted):
    """What both layers share."""

    settled: ClassVar[int] = 0
    """How many have become what they stand for; a net does not know when it happens to a layer of its own."""

    def __init__(self, **arguments: Any) -> None:
        self._arguments = arguments
        self.standing_for(arguments.get("groups", 1))  # wrong arguments are told at once

    @abstractmethod
    def standing_for(self, size: SupportsIndex) -> Weighted:
        """The layer for inputs of that many channels or features."""

    def become(self, layer: Weighted) -> None:
        """Turn into another layer."""
        self.__dict__.clear()
        self.__dict__.update(layer.__dict__)
        object.__setattr__(self, "__class__", type(layer))
        Lazy.settled += 1

    def forward(self, x: Numbers) -> Operand:
        """See the first input, (N, C, H, W) or (N, features), and go on as the layer for it."""
        array = as_array(type(self).__name__, "x", x)
        with parameters_lock():  # two threads that see the first images at once must not both settle a layer
            if isinstance(self, Lazy):
                if array.ndim < 2:
                    raise ValueError(
                        f"{type(self).__name__}: expected x with two axes or more, got {array.shape}"
                    )
                self.become(self.standing_for(array.shape[1]))
        return self.forward(x)

    @property
    def slot(self) -> Slot:  # type: ignore[override]  # a layer that has settled has an attribute
        """There are no parameters yet: a ``ValueError``."""
        raise ValueError(f"{type(self).__name__}: expected to see input before its parameters are asked for")

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"{type(self).__name__} has no {name} before it has seen input")

    def arguments(self) -> dict[str, Any]:
        """What makes another layer like this one."""
        return dict(self._arguments)

    def __reduce__(self) -> tuple[Any, ...]:
        return _another, (type(self), self._arguments)

    def extra_repr(self) -> str:
        """The arguments that it was made with."""
        return ", ".join(f"{name}={value!r}" for name, value in self._arguments.items() if name != "seed")


class LazyConv2d(Lazy, Conv2d):
    """A :class:`Conv2d` that takes as many channels as the first images have.

    Args:
        out_channels: as :class:`Conv2d`.
        kernel_size: as :class:`Conv2d`.
        stride: as :class:`Conv2d`.
        padding: as :class:`Conv2d`.
        dilation: as :class:`Conv2d`.
        groups: as :class:`Conv2d`.
        bias: as :class:`Conv2d`.
        seed: as :class:`Conv2d`.

    Raises:
        TypeError: as :class:`Conv2d`.
        ValueError: as :class:`Conv2d`.
    """

    def __init__(
        self,
        out_channels: SupportsIndex,
        kernel_size: Size,
        stride: Size = 1,
        padding: Padding = 0,
        dilation: Size = 1,
        groups: SupportsIndex = 1,
        bias: bool = True,
        *,
        seed: int | None = None,
    ) -> None:
        groups = integer("Conv2d", "groups", groups)  # before it stands for a number of channels
        sizes = {"kernel_size": kernel_size, "stride": stride, "padding": padding, "dilation": dilation}
        Lazy.__init__(self, out_channels=out_channels, **sizes, groups=groups, bias=bias, seed=seed)

    def standing_for(self, size: SupportsIndex) -> Weighted:
        """The convolution of images with that many channels."""
        return Conv2d(size, **self._arguments)


class LazyLinear(Lazy, Linear):
    """A :class:`Linear` that takes as many features as the first rows have.

    Args:
        out_features: as :class:`Linear`.
        bias: as :class:`Linear`.
        seed: as :class:`Linear`.

    Raises:
        TypeError: as :class:`Linear`.
        ValueError: as :class:`Linear`.
    """

    def __init__(self, out_features: SupportsIndex, bias: bool = True, *, seed: int | None = None) -> None:
        Lazy.__init__(self, out_features=out_features, bias=bias, seed=seed)

    def standing_for(self, size: SupportsIndex) -> Weighted:
        """The dense layer for that many features."""
        return Linear(size, **self._arguments)


def settle(ops: Sequence[Op], shape: tuple[int, ...]) -> None:
    """Let all lazy layers see images of one shape, (C, H, W) or (F,); all of them become, or none.

    Raises:
        ValueError: the layers do not take such images.
    """
    with parameters_lock():
        becoming: list[tuple[Lazy, Weighted]] = []
        for op in ops:
            layer = op
            if isinstance(op, Lazy):
                layer = op.standing_for(shape[0])
                becoming.append((op, layer))
            shape = tuple(_core.Plan([layer.spec()], shape).output_shape)
        for lazy, layer in becoming:
            lazy.become(layer)


def _another(kind: type[Lazy], arguments: dict[str, Any]) -> Lazy:
    """A layer that has seen nothing either, for ``copy`` and ``pickle``."""
    return kind(**arguments)
