"""A net's outputs for every window of a picture, with what windows share computed once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .. import nn
from .._arrays import Array, Images, Numbers, Pair, Size, as_images, pair
from ..nn.module import Op
from .axis import SHARED, Axis, Slide
from .chain import chain, layers_at_borders
from .layers import Axes, Planes, dense, forward, slides_of

__all__ = ["as_picture", "natural_stride", "score_map"]

_SIDE = 16  # windows along each axis of a piece of the picture
_LANES = 16  # pieces that fill the widest vector
_PIECES = 32  # computed together: 8,192 windows
_BATCH = 4096  # windows that are run together where each is computed by itself
_WORTH = 5.0  # times fewer multiply-adds pay for the memory traffic that borders cost
_FLOATS = 1 << 23  # at most, in the largest plane of all of them


def score_map(net: nn.Sequential, image: Numbers, window: Size = 28, stride: Size | None = None) -> Array:
    """The outputs of a net for every window of a picture.

    ``y[:, i, j]`` is ``net(image[:, i*SH : i*SH + H, j*SW : j*SW + W])`` up to rounding, for windows (H, W)
    at strides (SH, SW); only windows that lie within the picture are looked at. Dense layers become
    convolutions, and what overlapping windows share is computed once. A padded layer sees zeros at the border
    of each window where the picture goes on: values that depend on them are computed for each window by
    itself, or all values are, where sharing the others would not pay.

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
    result = np.empty((work.classes, rows, columns), np.float32)
    # Windows share what layers with strides compute only at multiples of the strides' product. A finer or an
    # odd stride makes several such grids, one beside the other.
    common = [math.lcm(steps[i], work.stride[i]) for i in (0, 1)]
    phases = [common[i] // steps[i] for i in (0, 1)]
    for down in range(min(phases[0], rows)):
        for right in range(min(phases[1], columns)):
            part = result[:, down :: phases[0], right :: phases[1]]
            work.run(pixels[:, down * steps[0] :, right * steps[1] :], (common[0], common[1]), part)
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
    """A layer, and its output (channels, *size) in one window."""

    op: Op
    channels: int
    size: Pair

    def slides(self, axes: Axes) -> tuple[Slide, Slide] | None:
        """How the layer slides over windows; a dense layer's kernel is the whole window."""
        if isinstance(self.op, nn.Linear):
            return Slide(axes[0].size), Slide(axes[1].size)
        return slides_of(self.op)


class _Work(NamedTuple):
    """What is to be done for each window."""

    steps: tuple[_Step, ...]
    window: Pair
    stride: Pair
    classes: int

    @classmethod
    def of(cls, op: str, net: nn.Sequential, shape: tuple[int, ...]) -> _Work:
        """The work of a net on windows (C, H, W)."""
        made = net.plan(shape)
        if len(made.output_shape) != 1 or len(shape) != 3:
            raise ValueError(
                f"{op}: expected a net from images to outputs (K,), got {made.output_shape} from {shape}"
            )
        steps, stride = [], [1, 1]
        channels, height, width = shape
        for layer, planned in zip(net.ops().values(), made.layers, strict=True):
            sizes = tuple(planned["output_shape"])
            if isinstance(layer, nn.Linear):
                channels, height, width = *sizes, 1, 1
            elif len(sizes) == 3:
                channels, height, width = sizes
            elif isinstance(layer, nn.Softmax | nn.LogSoftmax) and (height, width) != (1, 1):
                raise ValueError(
                    f"{op}: expected a dense layer before {layer!r}, got {height}x{width} pixels"
                )
            slides = slides_of(layer)
            if slides is not None:
                stride[0] *= slides[0].stride if height > 1 else 1
                stride[1] *= slides[1].stride if width > 1 else 1
            steps.append(_Step(layer, channels, (height, width)))
        if (height, width) != (1, 1):
            raise ValueError(f"{op}: expected a dense layer behind Flatten, got {height}x{width} pixels")
        return cls(tuple(steps), (shape[1], shape[2]), (stride[0], stride[1]), made.output_shape[0])

    def run(self, pixels: Images, step: Pair, result: Array) -> None:
        """Fill ``result`` (K, rows, columns) from windows that begin at multiples of ``step``."""
        rows, columns = result.shape[1:]
        side, pieces = self._sizes(step)
        block = min(side, rows), min(side, columns)
        places = [(top, left) for top in _starts(rows, block[0]) for left in _starts(columns, block[1])]
        extent = [(block[i] - 1) * step[i] + self.window[i] for i in (0, 1)]
        axes = self._axes(block, step)
        count = layers_at_borders(axes)
        if count and self._saved(axes) < _WORTH:
            self._by_themselves(pixels, step, result)
            return
        rest = chain([made.op for made in self.steps[count:]], axes[count:])
        for first in range(0, len(places), pieces):
            some = places[first : first + pieces]
            corners = [(place[0] * step[0], place[1] * step[1]) for place in some]
            cut = [pixels[:, t : t + extent[0], s : s + extent[1]] for t, s in corners]
            x = as_images("score_map", "image", np.stack(cut))
            found = rest(self._at_borders(x, axes[: count + 1]) if count else x)
            for (top, left), scores in zip(some, found[:, :, : block[0], : block[1]], strict=True):
                result[:, top : top + block[0], left : left + block[1]] = scores

    def _saved(self, axes: list[Axes]) -> float:
        """The multiply-adds of all windows by themselves, divided by those of sliding over them."""
        alone = sliding = 0
        for (op, channels, _), after in zip(self.steps, axes[1:], strict=True):
            if not isinstance(op, nn.Conv2d | nn.Linear):
                continue
            each = channels * op.weight[0].size
            alone += each * math.prod(axis.size * axis.windows for axis in after)
            sliding += each * math.prod(map(_lines, after))
        return alone / max(1, sliding)

    def _by_themselves(self, pixels: Images, step: Pair, result: Array) -> None:
        """Fill ``result`` from all windows, cut out and run in batches."""
        net = nn.Sequential(*(made.op for made in self.steps))
        windows = sliding_window_view(pixels, self.window, axis=(1, 2))[:, :: step[0], :: step[1]]
        windows = windows.transpose(1, 2, 0, 3, 4)
        many = max(1, min(_BATCH, _FLOATS // math.prod(windows.shape[2:])))
        rows, columns = result.shape[1:]
        for first in range(0, rows * columns, many):
            i, j = np.divmod(np.arange(first, min(first + many, rows * columns)), columns)
            result[:, i, j] = net(windows[i, j]).T

    def _at_borders(self, x: Images, axes: list[Axes]) -> Array:
        """What the first layers, one less than there are axes, make of pieces of a picture (N, C, H, W)."""
        fractions: Array = x.astype(np.float32) / np.float32(255 if x.dtype == np.uint8 else 1)
        planes: Planes = {(SHARED, SHARED): fractions}
        for (op, _, _), before, after in zip(self.steps, axes, axes[1:], strict=False):
            if isinstance(op, nn.Linear):
                planes = dense(op.weight, op.bias, planes, before, after)
            elif not isinstance(op, nn.Flatten):
                planes = forward(op, planes, before, after)
        (plane,) = planes.values()
        return plane

    def _sizes(self, step: Pair) -> tuple[int, int]:
        """How many windows a piece has along each axis, and how many pieces are computed together.

        Larger pieces share more, but sixteen of them fill the vectors of the kernels, and all must fit the
        memory.
        """
        side = _SIDE
        while side > 1 and _LANES * self._floats(side, step) > _FLOATS:
            side //= 2
        many = _FLOATS // self._floats(side, step) // _LANES * _LANES
        return side, max(1, min(_PIECES, many))

    def _floats(self, side: int, step: Pair) -> int:
        """In the largest layer's planes of one piece."""
        layers = zip(self.steps, self._axes((side, side), step)[1:], strict=True)
        return max(made.channels * math.prod(map(_lines, axes)) for made, axes in layers)

    def _axes(self, counts: Pair, step: Pair) -> list[Axes]:
        """Of the input, and of every layer's output."""
        rows, columns = (Axis(self.window[i], counts[i], step[i]) for i in (0, 1))
        result = [(rows, columns)]
        for made in self.steps:
            slides = made.slides(result[-1])
            if slides is not None:
                rows = rows.through(slides[0], made.size[0])
                columns = columns.through(slides[1], made.size[1])
            result.append((rows, columns))
        return result


def _lines(axis: Axis) -> int:
    """Numbers on all lines of an axis together."""
    return sum(map(axis.length, axis.keys))


def _starts(count: int, block: int) -> list[int]:
    """Where blocks of equal size begin that cover ``count`` places; the last may overlap another."""
    return [min(start, count - block) for start in range(0, count, block)]


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
