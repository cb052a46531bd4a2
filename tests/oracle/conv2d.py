"""Convolution as deep learning means it, cross-correlation:

    y[n,o,i,j] = bias[o] + sum over c,kh,kw of weight[o,c,kh,kw] * x[n, first(o)+c, row(i,kh), column(j,kw)]

with the rows and columns of `windows`. Output channel o belongs to group o // (O / groups) and sees only that
group's C / groups input channels, which start at `first(o)`. A tap in the padding adds nothing, not even
0 * infinity.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oracle.windows import Pair, Sides, output_shape, taps

Array = NDArray[np.float64]


def forward(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Pair = (1, 1),
    padding: Sides = (0, 0, 0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> Array:
    """(N,C,H,W), (O,C/groups,KH,KW), (O,) -> (N,O,OH,OW)."""
    x, weight = np.asarray(x, np.float64), np.asarray(weight, np.float64)
    images, channels, height, width = x.shape
    outputs, _, *kernel = weight.shape
    ins, outs = channels // groups, outputs // groups
    rows, columns = output_shape(height, width, tuple(kernel), stride, padding, dilation)
    y = np.zeros((images, outputs, rows, columns))
    for g in range(groups):
        c, o = slice(g * ins, (g + 1) * ins), slice(g * outs, (g + 1) * outs)
        for i in range(rows):
            for j in range(columns):
                for kh, kw, r, q in taps(i, j, height, width, tuple(kernel), stride, padding, dilation):
                    y[:, o, i, j] += x[:, c, r, q] @ weight[o, :, kh, kw].T
    if bias is not None:
        y += np.asarray(bias, np.float64).reshape(1, outputs, 1, 1)
    return y


def backward(
    dy: Array,
    x: Array,
    weight: Array,
    stride: Pair = (1, 1),
    padding: Sides = (0, 0, 0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> tuple[Array, Array, Array]:
    """The same walk, with each product y += x * w answered by dx += dy * w and dw += dy * x."""
    dy, x, weight = (np.asarray(a, np.float64) for a in (dy, x, weight))
    height, width = x.shape[2:]
    ins, outs = x.shape[1] // groups, weight.shape[0] // groups
    kernel = (weight.shape[2], weight.shape[3])
    dx, dweight = np.zeros_like(x), np.zeros_like(weight)
    for g in range(groups):
        c, o = slice(g * ins, (g + 1) * ins), slice(g * outs, (g + 1) * outs)
        for i in range(dy.shape[2]):
            for j in range(dy.shape[3]):
                for kh, kw, r, q in taps(i, j, height, width, kernel, stride, padding, dilation):
                    dx[:, c, r, q] += dy[:, o, i, j] @ weight[o, :, kh, kw]
                    dweight[o, :, kh, kw] += dy[:, o, i, j].T @ x[:, c, r, q]
    return dx, dweight, dy.sum(axis=(0, 2, 3))
