"""Sums of products over windows in float64: a loop over the taps, each on whole arrays at once.

As `oracle/`, whose loops it is tested against, and some hundred times as fast. A tap in the padding is
left out, so that it cannot turn an infinite weight into NaN.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle.windows import Pair, Sides, output_shape

Array = NDArray[np.float64]
Tap = tuple[int, int, tuple[slice, slice], tuple[slice, slice]]


def _along(n: int, outputs: int, stride: int, before: int, offset: int) -> tuple[slice, slice]:
    """The outputs whose tap at `offset` lies on an axis of n, and the pixels that they meet there."""
    first = max(0, -((offset - before) // stride))
    last = max(first, min(outputs, (n - 1 + before - offset) // stride + 1))
    start = first * stride - before + offset
    return slice(first, last), slice(start, max(start, start + (last - first - 1) * stride + 1), stride)


def taps(
    image: Pair, outputs: Pair, kernel: Pair, stride: Pair, padding: Sides, dilation: Pair
) -> Iterator[Tap]:
    """`(kh, kw, slices of the outputs, slices of the image)` of every tap that some output sees."""
    for kh in range(kernel[0]):
        rows, at_rows = _along(image[0], outputs[0], stride[0], padding[0], kh * dilation[0])
        for kw in range(kernel[1]):
            columns, at_columns = _along(image[1], outputs[1], stride[1], padding[2], kw * dilation[1])
            if rows.stop > rows.start and columns.stop > columns.start:
                yield kh, kw, (rows, columns), (at_rows, at_columns)


def conv2d(
    x: NDArray[Any],
    weight: NDArray[Any],
    bias: NDArray[Any] | None,
    stride: Pair,
    padding: Sides,
    dilation: Pair,
    groups: int,
) -> Array:
    """(N,C,H,W), (O,C/groups,KH,KW), (O,) -> (N,O,OH,OW)."""
    x = np.asarray(x, np.float64).reshape(len(x), groups, x.shape[1] // groups, *x.shape[2:])
    w = np.asarray(weight, np.float64).reshape(groups, len(weight) // groups, *weight.shape[1:])
    plane = output_shape(*x.shape[3:], weight.shape[2:], stride, padding, dilation)
    y = np.zeros((len(x), groups, w.shape[1], *plane))
    for kh, kw, out, at in taps(x.shape[3:], plane, weight.shape[2:], stride, padding, dilation):
        pixels = x[(..., *at)]
        product = w[..., kh, kw] @ pixels.reshape(*pixels.shape[:3], pixels.shape[3] * pixels.shape[4])
        y[(..., *out)] += product.reshape(*product.shape[:3], *pixels.shape[3:])
    y = y.reshape(len(x), len(weight), *plane)
    return y if bias is None else y + np.asarray(bias, np.float64).reshape(-1, 1, 1)


def conv2d_backward(
    dy: NDArray[Any],
    x: NDArray[Any],
    weight: NDArray[Any],
    stride: Pair,
    padding: Sides,
    dilation: Pair,
    groups: int,
) -> tuple[Array, Array, Array]:
    """`(dx, dweight, dbias)`."""
    plane = dy.shape[2:]
    x = np.asarray(x, np.float64).reshape(len(x), groups, x.shape[1] // groups, *x.shape[2:])
    w = np.asarray(weight, np.float64).reshape(groups, len(weight) // groups, *weight.shape[1:])
    dy = np.asarray(dy, np.float64).reshape(len(x), groups, w.shape[1], *plane)
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for kh, kw, out, at in taps(x.shape[3:], plane, weight.shape[2:], stride, padding, dilation):
        slopes, pixels = dy[(..., *out)], x[(..., *at)]
        flat = slopes.reshape(*slopes.shape[:3], slopes.shape[3] * slopes.shape[4])
        product = np.swapaxes(w[..., kh, kw], 1, 2) @ flat
        dx[(..., *at)] += product.reshape(pixels.shape)
        dw[..., kh, kw] = (flat @ np.swapaxes(pixels.reshape(*pixels.shape[:3], flat.shape[3]), 2, 3)).sum(0)
    images, channels = len(x), groups * x.shape[2]
    return dx.reshape(images, channels, *x.shape[3:]), dw.reshape(weight.shape), dy.sum((0, 3, 4)).reshape(-1)


def max_pool2d(
    x: NDArray[Any], kernel: Pair, stride: Pair, padding: Sides, dilation: Pair, plane: Pair
) -> tuple[Array, NDArray[np.int64]]:
    """Values and indices."""
    x = np.asarray(x, np.float64)
    best = np.full((*x.shape[:2], *plane), -np.inf)
    where = np.full(best.shape, -1, np.int64)
    index = np.arange(x.shape[2] * x.shape[3]).reshape(x.shape[2:])
    for _, _, out, at in taps(x.shape[2:], plane, kernel, stride, padding, dilation):
        pixel, so_far = x[(..., *at)], best[(..., *out)]
        better = (where[(..., *out)] < 0) | (pixel > so_far) | np.isnan(pixel)
        best[(..., *out)] = np.where(better, pixel, so_far)
        where[(..., *out)] = np.where(better, index[at], where[(..., *out)])
    return best, where


def max_pool2d_backward(
    dy: NDArray[Any],
    where: NDArray[np.int64],
    image: Pair,
    kernel: Pair,
    stride: Pair,
    padding: Sides,
    dilation: Pair,
) -> Array:
    """Every slope to the pixel that `where` names."""
    dx = np.zeros((*dy.shape[:2], *image))
    index = np.arange(image[0] * image[1]).reshape(image)
    for _, _, out, at in taps(image, dy.shape[2:], kernel, stride, padding, dilation):
        dx[(..., *at)] += np.where(where[(..., *out)] == index[at], dy[(..., *out)], 0.0)
    return dx


def window_sums(
    x: NDArray[Any], kernel: Pair, stride: Pair, padding: Sides, dilation: Pair, plane: Pair
) -> Array:
    """The sum of the pixels of every window."""
    x = np.asarray(x, np.float64)
    y = np.zeros((*x.shape[:2], *plane))
    for _, _, out, at in taps(x.shape[2:], plane, kernel, stride, padding, dilation):
        y[(..., *out)] += x[(..., *at)]
    return y


def spread(dy: Array, image: Pair, kernel: Pair, stride: Pair, padding: Sides, dilation: Pair) -> Array:
    """Every slope to all pixels of its window."""
    dx = np.zeros((*dy.shape[:2], *image))
    for _, _, out, at in taps(image, dy.shape[2:], kernel, stride, padding, dilation):
        dx[(..., *at)] += dy[(..., *out)]
    return dx
