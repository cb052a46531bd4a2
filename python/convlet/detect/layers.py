"""The layers of a net over all windows of a picture at once.

``Planes`` holds a layer's output: for each line of rows and each line of columns (:mod:`.axis`) one array (N,
C, rows, columns), where N counts pieces of the picture with equally many windows. A layer is a sum, or a
maximum, over the taps of its kernel; where taps lie on several lines it becomes the sum or maximum of smaller
kernels, one for each, which slide without padding. So the outputs equal those of every window by itself, up
to the order of the sums.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import TypeAlias

import numpy as np

from .. import functional, nn
from .._arrays import Array
from ..nn.module import Op
from .axis import JOINED, Axis, Key, Part, Slide

__all__ = ["Axes", "Planes", "dense", "forward", "slides_of"]

Axes: TypeAlias = tuple[Axis, Axis]
Planes: TypeAlias = dict[tuple[Key, Key], Array]
Slides: TypeAlias = tuple[Slide, Slide]
_Whole: TypeAlias = Callable[[Array, Part, Part], Array]


def slides_of(op: Op) -> Slides | None:
    """How a convolution or pooling slides along rows and columns; ``None`` for other layers."""
    if not isinstance(op, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
        return None
    kernel, stride, (top, bottom, left, right), dilation = op.window
    return (
        Slide(kernel[0], stride[0], top, bottom, dilation[0]),
        Slide(kernel[1], stride[1], left, right, dilation[1]),
    )


def forward(op: Op, planes: Planes, axes: Axes, out: Axes) -> Planes:
    """One layer, of those that leave images images."""
    slides = slides_of(op)
    if slides is None:
        each = type(op)(1) if isinstance(op, nn.Softmax | nn.LogSoftmax) else op  # of the classes, behind N
        return {keys: each(plane) for keys, plane in planes.items()}
    if isinstance(op, nn.Conv2d):
        return _convolve(op.weight, op.bias, op.groups, planes, axes, out, slides)
    if isinstance(op, nn.MaxPool2d):
        return _max_pool(planes, axes, out, slides)
    assert isinstance(op, nn.AvgPool2d)
    return _avg_pool(op, planes, axes, out, slides)


def dense(weight: Array, bias: Array | None, planes: Planes, axes: Axes, out: Axes) -> Planes:
    """A dense layer on flattened windows, which is a convolution with a kernel as large as the window.

    Args:
        weight: (O, C * H * W).
        bias: (O,), or none.
        planes: those of a window (C, H, W).
        axes: of the window.
        out: of a window (O, 1, 1).
    """
    slides = Slide(axes[0].size), Slide(axes[1].size)
    kernel = weight.reshape(len(weight), -1, axes[0].size, axes[1].size)
    return _convolve(kernel, bias, 1, planes, axes, out, slides)


def _convolve(
    weight: Array, bias: Array | None, groups: int, planes: Planes, axes: Axes, out: Axes, slides: Slides
) -> Planes:
    result: Planes = {}
    for row in out[0].keys:
        rows = axes[0].parts(slides[0], out[0], row)
        lines, rows = _gather(planes, axes, rows) if len(rows) > 1 else (planes, rows)
        for column in out[1].keys:
            columns = axes[1].parts(slides[1], out[1], column)
            total: Array | None = None
            for down, across in product(rows, columns):
                y = functional.conv2d(
                    lines[down.key, across.key][:, :, down.lines, across.lines],
                    weight[:, :, down.taps, across.taps],
                    bias if total is None else None,
                    (down.stride, across.stride),
                    dilation=(down.dilation, across.dilation),
                    groups=groups,
                )
                total = y if total is None else np.add(total, y, out=total)
            if total is None:  # the whole kernel lies in the padding
                sizes = (outer.length(key) for outer, key in zip(out, (row, column), strict=True))
                shape = len(next(iter(planes.values()))), len(weight), *sizes
                total = np.zeros(shape, np.float32) + (0 if bias is None else bias[:, np.newaxis, np.newaxis])
            result[row, column] = total
    return result


def _gather(planes: Planes, axes: Axes, parts: list[Part]) -> tuple[Planes, list[Part]]:
    """The rows on several lines that one border output reads, window after window, as one line.

    One kernel then does the work of several, and their sum needs not be taken.
    """
    parts = sorted(parts, key=lambda part: part.taps.start)
    taps = sum(part.width for part in parts)
    lines: Planes = {}
    for column in axes[1].keys:
        sources = [planes[part.key, column] for part in parts]
        pieces, channels, _, width = sources[0].shape
        joined = np.empty((pieces, channels, axes[0].windows, taps, width), np.float32)
        place = 0
        for part, source in zip(parts, sources, strict=True):
            for tap in range(part.width):
                first = part.first + tap * part.dilation
                stop = first + (part.outputs - 1) * part.stride + 1
                joined[:, :, :, place] = source[:, :, first : stop : part.stride]
                place += 1
        lines[JOINED, column] = joined.reshape(pieces, channels, -1, width)
    whole = slice(parts[0].taps.start, parts[-1].taps.stop)
    return lines, [Part(JOINED, whole, 0, axes[0].windows, taps, 1)]


def _pool(planes: Planes, axes: Axes, out: Axes, slides: Slides, join: np.ufunc, whole: _Whole) -> Planes:
    """The sum or the maximum of all taps of every output; ``whole`` is that of several taps on one line."""
    result: Planes = {}
    for keys in product(out[0].keys, out[1].keys):
        lines = (
            axis.parts(slide, outer, key)
            for axis, slide, outer, key in zip(axes, slides, out, keys, strict=True)
        )
        total: Array | None = None
        for rows, columns in product(*lines):
            x = planes[rows.key, columns.key][:, :, rows.lines, columns.lines]
            alone = rows.width == columns.width == 1
            y = x[:, :, :: rows.stride, :: columns.stride] if alone else whole(x, rows, columns)
            total = np.array(y, order="C") if total is None else join(total, y, out=total)
        assert total is not None  # every window of a pooling layer holds a pixel
        result[keys] = total
    return result


def _max_pool(planes: Planes, axes: Axes, out: Axes, slides: Slides) -> Planes:
    def whole(x: Array, rows: Part, columns: Part) -> Array:
        kernel, steps = (rows.width, columns.width), (rows.stride, columns.stride)
        return functional.max_pool2d(x, kernel, steps, dilation=(rows.dilation, columns.dilation))

    return _pool(planes, axes, out, slides, np.maximum, whole)


def _avg_pool(op: nn.AvgPool2d, planes: Planes, axes: Axes, out: Axes, slides: Slides) -> Planes:
    def whole(x: Array, rows: Part, columns: Part) -> Array:
        kernel, steps = (rows.width, columns.width), (rows.stride, columns.stride)
        return functional.avg_pool2d(x, kernel, steps, divisor_override=1)

    sums = _pool(planes, axes, out, slides, np.add, whole)
    for keys, plane in sums.items():
        rows, columns = (
            axis.taps(slide, key, op.count_include_pad)
            for axis, slide, key in zip(axes, slides, keys, strict=True)
        )
        plane /= np.float32(op.divisor_override or rows * columns)
    return sums
