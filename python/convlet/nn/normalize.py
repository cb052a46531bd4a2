"""The layer that scales images to what the next layers like."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import functional
from .._arrays import Array, Images, Numbers, Operand, as_float32, as_images
from .module import Layer, Op

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Normalize"]


class Normalize(Op):
    """``(x - mean) / std`` of each channel of images (N, C, H, W); :func:`convlet.functional.normalize`.

    Both are fixed: they are not among the parameters and are not trained, but stand in ``state_dict`` as
    ``mean`` and ``std``, so that they go where the weights go. Bytes have been scaled by 1/255 before, so
    both are of the scale 0..1.

    Args:
        mean: a number for each channel, or one number for images of one channel.
        std: likewise, above 0.

    Raises:
        TypeError: what is no array of real numbers.
        ValueError: other shapes, numbers that are not finite, a std of 0 or less.
    """

    kind = "normalize"

    def __init__(self, mean: Numbers, std: Numbers) -> None:
        values = {"mean": _each_channel("mean", mean), "std": _each_channel("std", std)}
        if len(values["mean"]) == 0 or values["mean"].shape != values["std"].shape:
            raise ValueError(
                f"Normalize: expected a mean and a std for each channel, got {len(values['mean'])} and "
                f"{len(values['std'])}"
            )
        self._values: dict[str, Array] = {}
        for name, array in values.items():
            problem = self.buffer_problem(name, array)
            if problem:
                raise ValueError(f"Normalize: {problem}")
            self._values[name] = _fixed(array)

    @classmethod
    def of(cls, data: Any) -> Self:
        """The layer that gives every channel of a data set mean 0 and deviation 1.

        Args:
            data: a data set, or images (N, C, H, W), uint8 (scaled by 1/255) or of a floating-point type.

        Raises:
            TypeError: an array of other numbers.
            ValueError: no images, or a channel without deviation.
        """
        images: Images = as_images("Normalize.of", "data", getattr(data, "images", data))
        if images.ndim != 4 or images.size == 0:
            raise ValueError(f"Normalize.of: expected images (N, C, H, W) as data, got {images.shape}")
        mean = images.mean(axis=(0, 2, 3), dtype=np.float64)
        std = _deviation(images, mean)
        scale = 255.0 if images.dtype == np.uint8 else 1.0
        return cls(mean / scale, std / scale)

    @property
    def mean(self) -> Array:
        """(C,), read-only."""
        return self._values["mean"]

    @property
    def std(self) -> Array:
        """(C,), read-only."""
        return self._values["std"]

    def buffers(self) -> dict[str, Array]:
        """Both."""
        return dict(self._values)

    def buffer_problem(self, name: str, array: Array) -> str | None:
        """What is wrong with new values, if anything is."""
        if not np.isfinite(array).all():
            return f"expected finite numbers as {name}, got {array.tolist()}"
        if name == "std" and not (array > 0).all():
            return f"expected numbers above 0 as std, got {array.tolist()}"
        return None

    def set_buffer(self, name: str, array: Array) -> None:
        """Take new values."""
        self._values[name] = _fixed(array)
        Layer.changes += 1

    def forward(self, x: Numbers) -> Operand:
        """(N, C, H, W) -> the same."""
        return functional.normalize(x, self.mean, self.std)

    def backward(self, dy: Array, x: Array, y: Array) -> tuple[Array, dict[str, Array]]:
        """The gradient of the input."""
        return functional.normalize_backward(dy, self.std), {}

    def spec(self) -> dict[str, Any]:
        """The layer as plain data."""
        return {"kind": self.kind, "mean": self.mean.tolist(), "std": self.std.tolist()}

    def variant(self) -> Hashable:
        """Its numbers."""
        return self.mean.tobytes(), self.std.tobytes()

    def extra_repr(self) -> str:
        """Its numbers, as short as they can be read back."""
        mean, std = (", ".join(f"{value:.6g}" for value in values) for values in (self.mean, self.std))
        return f"mean=({mean}), std=({std})"


def _each_channel(name: str, numbers: Numbers) -> Array:
    array = as_float32("Normalize", name, numbers)
    if array.ndim > 1:
        raise ValueError(f"Normalize: expected {name} of shape (C,) or a number, got {array.shape}")
    return array.reshape(-1)


def _fixed(array: Array) -> Array:
    copy: Array = array.copy()
    copy.flags.writeable = False
    return copy


def _deviation(images: Images, mean: Any) -> Any:
    """The root of the mean squared distance from the mean, by channel, a thousand images at once."""
    squares = np.zeros(len(mean))
    for first in range(0, len(images), 1024):
        distance = images[first : first + 1024] - mean[:, np.newaxis, np.newaxis]
        squares += np.square(distance).sum(axis=(0, 2, 3))
    return np.sqrt(squares / (images.size / len(mean)))
