"""Average pooling: y[n,c,i,j] = (sum of the pixels under window (i, j)) / divisor.

The divisor is `divisor_override` where one is given; else the number of taps on the padded image
(`count_include_pad`), or on the image itself. Taps beyond the padding, which `ceil_mode` can produce, never
count.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from oracle.windows import Pair, Sides, output_shape, taps

Array = NDArray[np.float64]


def forward(
    x: Array,
    kernel: Pair,
    stride: Pair | None = None,
    padding: Sides = (0, 0, 0, 0),
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    dilation: Pair = (1, 1),
) -> Array:
    """(N,C,H,W) -> (N,C,OH,OW)."""
    x = np.asarray(x, np.float64)
    stride = stride or kernel
    height, width = x.shape[2:]
    y = np.zeros(x.shape[:2] + output_shape(height, width, kernel, stride, padding, dilation, ceil_mode))
    for i, j, divisor in _divisors(
        y.shape[2:], x.shape[2:], kernel, stride, padding, count_include_pad, divisor_override, dilation
    ):
        for _, _, r, q in taps(i, j, height, width, kernel, stride, padding, dilation):
            y[:, :, i, j] += x[:, :, r, q]
        y[:, :, i, j] /= divisor
    return y


def backward(
    dy: Array,
    x: Array,
    kernel: Pair,
    stride: Pair | None = None,
    padding: Sides = (0, 0, 0, 0),
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    dilation: Pair = (1, 1),
) -> Array:
    """Each dy / divisor is added to every pixel of its window; of x only the shape matters."""
    dy = np.asarray(dy, np.float64)
    stride = stride or kernel
    dx = np.zeros(np.shape(x))
    height, width = dx.shape[2:]
    assert dy.shape[2:] == output_shape(height, width, kernel, stride, padding, dilation, ceil_mode)
    for i, j, divisor in _divisors(
        dy.shape[2:], dx.shape[2:], kernel, stride, padding, count_include_pad, divisor_override, dilation
    ):
        for _, _, r, q in taps(i, j, height, width, kernel, stride, padding, dilation):
            dx[:, :, r, q] += dy[:, :, i, j] / divisor
    return dx


def _divisors(
    outputs: Pair,
    image: Pair,
    kernel: Pair,
    stride: Pair,
    padding: Sides,
    count_include_pad: bool,
    divisor_override: int | None,
    dilation: Pair,
) -> Iterator[tuple[int, int, int]]:
    """Yield every window (i, j) with what its sum is divided by."""
    top, bottom, left, right = padding
    padded = (image[0] + top + bottom, image[1] + left + right)
    for i in range(outputs[0]):
        for j in range(outputs[1]):
            if divisor_override is not None:
                yield i, j, divisor_override
            elif count_include_pad:
                yield i, j, len(list(taps(i, j, *padded, kernel, stride, (0, 0, 0, 0), dilation)))
            else:
                yield i, j, len(list(taps(i, j, *image, kernel, stride, padding, dilation)))
