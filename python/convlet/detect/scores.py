"""A net's outputs for every window of a picture, with what windows share computed once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .. import nn
from .._arrays import Array, Images, Numbers, Pair, Size, as_images, pair
from .._core import slide
from ..nn.module import Op
from .axis import Axis, Lines
from .layers import slides_of, spec_of

__all__ = ["as_picture", "natural_stride", "score_map"]


def score_map(net: nn.Sequential, image: Numbers, window: Size = 28, stride: Size | None = None) -> Array:
    """The outputs of a net for every window of a picture.

    ``y[:, i, j]`` is ``net(image[:, i*SH : i*SH + H, j*SW : j*SW + W])`` up to rounding, for windows (H, W)
    at strides (SH, SW); only windows that lie within the picture are looked at. Dense layers become
    convolutions, and what overlapping windows share is computed once. A padded layer sees zeros at the border
    of each window where the picture goes on: values that depend on them are computed for each window by
    itself.

    Args:
        net: layers that take images (C, H, W) to outputs (K,).
        image: (C, IH, IW), or (IH, IW) where C is 1; uint8, scaled by 1/255, or of a floating-point type.
        window: the size of the images that the net was trained on, an int or a pair (rows, columns).
        stride: pixels from one window to the next, an int or a pair; by default
            :func:`natural_stride`, the least work for each window.

    Returns:
        (K, rows, columns), float32; rows = floor((IH - H) / SH) + 1, and columns alike.

    Raises:
        TypeError: an argument of another type.
        ValueError: a net that does not take such windows to (K,), or a picture smaller than a window.

    Source: P. Sermanet and others, "OverFeat: Integrated Recognition, Localization and Detection using
    Convolutional Networks", 2014, for layers without padding.
    """
    op = "score_map"
    size = pair(op, "window", window)
    pixels = as_picture(op, net, image)
    _check_size(op, pixels, size)
    work = _Work.of(op, net, (pixels.shape[0], *size))
    steps = work.stride if stride is None else pair(op, "stride", stride)
    rows, columns = ((pixels.shape[1 + i] - size[i]) // steps[i] + 1 for i in (0, 1))
    # Windows share what layers with strides compute only at multiples of the strides' product. A finer or an
    # odd stride makes several such grids, one beside the other.
    common = math.lcm(steps[0], work.stride[0]), math.lcm(steps[1], work.stride[1])
    phases = common[0] // steps[0], common[1] // steps[1]
    if phases == (1, 1):
        return work.run(pixels, (0, 0), common, (rows, columns))
    result: Array | None = None
    for down in range(min(phases[0], rows)):
        for right in range(min(phases[1], columns)):
            windows = (rows - down - 1) // phases[0] + 1, (columns - right - 1) // phases[1] + 1
            part = work.run(pixels, (down * steps[0], right * steps[1]), common, windows)
            if result is None:
                result = np.empty((len(part), rows, columns), np.float32)
            result[:, down :: phases[0], right :: phases[1]] = part
    assert result is not None
    return result


def natural_stride(net: nn.Sequential, input_shape: Sequence[int]) -> Pair:
    """The product of the strides of all layers that have more than one output along an axis.

    Windows at that stride, or at multiples of it, share the most.

    Args:
        net: layers that take images to outputs (K,).
        input_shape: (C, H, W) of one window.

    Raises:
        TypeError: what is no net, or a size that is no integer.
        ValueError: a net that does not take such windows to (K,).
    """
    op = "natural_stride"
    if not isinstance(input_shape, tuple | list):
        raise TypeError(f"{op}: expected input_shape to be (C, H, W), got {type(input_shape).__name__}")
    return _Work.of(op, _net(op, net), tuple(input_shape)).stride


class _Step(NamedTuple):
    """A layer, and the size of its output in one window."""

    op: Op
    size: Pair


class _Work(NamedTuple):
    """What is to be done for each window."""

    steps: tuple[_Step, ...]
    window: Pair
    stride: Pair

    @classmethod
    def of(cls, op: str, net: nn.Sequential, shape: tuple[int, ...]) -> _Work:
        """The work of a net on windows (C, H, W)."""
        made = net.plan(shape)
        if len(made.output_shape) != 1 or len(shape) != 3:
            raise ValueError(
                f"{op}: expected a net from images to outputs (K,), got {made.output_shape} from {shape}"
            )
        steps, stride = [], [1, 1]
        height, width = shape[1:]
        for layer, planned in zip(net.ops().values(), made.layers, strict=True):
            sizes = tuple(planned["output_shape"])
            slides = slides_of(layer, (height, width))
            if isinstance(layer, nn.Linear):
                height, width = 1, 1
            elif len(sizes) == 3:
                height, width = sizes[1:]
            elif isinstance(layer, nn.Softmax | nn.LogSoftmax) and (height, width) != (1, 1):
                raise ValueError(
                    f"{op}: expected a dense layer before {layer!r}, got {height}x{width} pixels"
                )
            if slides is not None:
                stride[0] *= slides[0].stride if height > 1 else 1
                stride[1] *= slides[1].stride if width > 1 else 1
            steps.append(_Step(layer, (height, width)))
        if (height, width) != (1, 1):
            raise ValueError(f"{op}: expected a dense layer behind Flatten, got {height}x{width} pixels")
        return cls(tuple(steps), (shape[1], shape[2]), (stride[0], stride[1]))

    def run(self, pixels: Images, origin: Pair, step: Pair, windows: Pair) -> Array:
        """(K, rows, columns) of windows a step apart, the first of which begins at ``origin``."""
        axes = Axis(self.window[0], step[0]), Axis(self.window[1], step[1])
        picture = {"rows": _picture(axes[0]), "columns": _picture(axes[1]), "step": step}
        layers = []
        for op, size in self.steps:
            slides = slides_of(op, (axes[0].size, axes[1].size))
            out = (
                axes
                if slides is None
                else (axes[0].through(slides[0], size[0]), axes[1].through(slides[1], size[1]))
            )
            spec = spec_of(op, axes, out)
            if spec is not None:
                layers.append(spec)
            axes = out
        return slide(picture, layers, pixels, origin, windows)


def _picture(axis: Axis) -> Lines:
    """The lines of the pixels themselves, which read nothing."""
    return axis.extra, [1] * len(axis.extra), []


def as_picture(op: str, net: nn.Sequential, image: Numbers) -> Images:
    """The picture as (C, H, W), for a net that is one."""
    _net(op, net)
    pixels = as_images(op, "image", image)
    if pixels.ndim == 2:
        pixels = pixels[np.newaxis]
    if pixels.ndim != 3:
        raise ValueError(f"{op}: expected image of shape (C, H, W) or (H, W), got {pixels.shape}")
    return pixels


def _net(op: str, net: nn.Sequential) -> nn.Sequential:
    if not isinstance(net, nn.Sequential):
        raise TypeError(f"{op}: expected net of type Sequential, got {type(net).__name__}")
    return net


def _check_size(op: str, pixels: Images, window: Pair) -> None:
    if pixels.shape[1] < window[0] or pixels.shape[2] < window[1]:
        raise ValueError(
            f"{op}: expected an image of at least {window[0]}x{window[1]}, got "
            f"{pixels.shape[1]}x{pixels.shape[2]}"
        )
