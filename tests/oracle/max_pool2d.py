"""Max pooling: y[n,c,i,j] is the largest pixel under window (i, j); padding never wins.

Among equal pixels the first in row order is taken. A NaN is larger than everything, a NaN before it
included, as in PyTorch. The index of the winner counts pixels of its own plane, row * W + column; the
gradient of y goes to that pixel alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oracle.windows import Pair, Sides, output_shape, taps

Array = NDArray[np.float64]


def forward(
    x: Array,
    kernel: Pair,
    stride: Pair | None = None,
    padding: Sides = (0, 0, 0, 0),
    dilation: Pair = (1, 1),
    ceil_mode: bool = False,
) -> tuple[Array, NDArray[np.int64]]:
    """(N,C,H,W) -> values and indices, both (N,C,OH,OW)."""
    x = np.asarray(x, np.float64)
    stride = stride or kernel
    images, channels, height, width = x.shape
    rows, columns = output_shape(height, width, kernel, stride, padding, dilation, ceil_mode)
    y = np.zeros((images, channels, rows, columns))
    indices = np.zeros(y.shape, np.int64)
    for i in range(rows):
        for j in range(columns):
            best, where = None, None
            for _, _, r, q in taps(i, j, height, width, kernel, stride, padding, dilation):
                pixel = x[:, :, r, q]
                if best is None:
                    best, where = pixel.copy(), np.full(pixel.shape, r * width + q)
                    continue
                better = (pixel > best) | np.isnan(pixel)
                best[better] = pixel[better]
                where[better] = r * width + q
            y[:, :, i, j], indices[:, :, i, j] = best, where
    return y, indices


def backward(
    dy: Array,
    x: Array,
    kernel: Pair,
    stride: Pair | None = None,
    padding: Sides = (0, 0, 0, 0),
    dilation: Pair = (1, 1),
    ceil_mode: bool = False,
) -> Array:
    """Each dy is added to the pixel that won its window."""
    dy = np.asarray(dy, np.float64)
    _, indices = forward(x, kernel, stride, padding, dilation, ceil_mode)
    images, channels, height, width = np.shape(x)
    dx = np.zeros((images, channels, height * width))
    n, c = np.ogrid[:images, :channels]
    for i in range(dy.shape[2]):
        for j in range(dy.shape[3]):
            dx[n, c, indices[:, :, i, j]] += dy[:, :, i, j]
    return dx.reshape(images, channels, height, width)
