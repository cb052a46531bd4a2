"""The article's layers in NumPy, forward and backward, in two forms: plain loops, and matrix products.

`LOOPS` goes over images, channels and positions one by one, as the article explains its layers. `IM2COL`
copies every window into a column of a matrix, so that the BLAS library does the work: NumPy at its best.
Images are (N, C, H, W); a convolution has padding P on all sides and stride 1; pooling takes means over
windows of 2x2 that do not overlap.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Array = NDArray[np.float32]
Three = tuple[Array, Array, Array]


class Layers(NamedTuple):
    """One form of them all."""

    conv2d: Callable[[Array, Array, Array, int], Array]  # x, w, b, P -> y
    conv2d_backward: Callable[[Array, Array, Array, int], Three]  # dy, x, w, P -> dx, dw, db
    avg_pool2d: Callable[[Array], Array]
    avg_pool2d_backward: Callable[[Array], Array]
    linear: Callable[[Array, Array, Array], Array]  # x, w, b -> y
    linear_backward: Callable[[Array, Array, Array], Three]  # dy, x, w -> dx, dw, db


def _padded(x: Array, padding: int) -> Array:
    return np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))


def _cropped(x: Array, padding: int) -> Array:
    return x[:, :, padding : x.shape[2] - padding, padding : x.shape[3] - padding]


def corr2d(x: Array, kernel: Array) -> Array:
    KH, KW = kernel.shape
    y = np.zeros((x.shape[0] - KH + 1, x.shape[1] - KW + 1), np.float32)
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[i, j] = (x[i : i + KH, j : j + KW] * kernel).sum()
    return y


def conv2d_loops(x: Array, w: Array, b: Array, padding: int) -> Array:
    padded = _padded(x, padding)
    return np.stack(
        [
            np.stack([sum(map(corr2d, image, kernels)) + bias for kernels, bias in zip(w, b, strict=True)])
            for image in padded
        ]
    )


def conv2d_backward_loops(dy: Array, x: Array, w: Array, padding: int) -> Three:
    KH, KW = w.shape[2:]
    padded = _padded(x, padding)
    dx, dw = np.zeros_like(padded), np.zeros_like(w)
    for n, o, i, j in np.ndindex(dy.shape):
        dw[o] += dy[n, o, i, j] * padded[n, :, i : i + KH, j : j + KW]
        dx[n, :, i : i + KH, j : j + KW] += dy[n, o, i, j] * w[o]
    return _cropped(dx, padding), dw, dy.sum(axis=(0, 2, 3))


def avg_pool2d_loops(x: Array) -> Array:
    N, C, H, W = x.shape
    y = np.zeros((N, C, H // 2, W // 2), np.float32)
    for n, c, i, j in np.ndindex(y.shape):
        y[n, c, i, j] = x[n, c, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].mean()
    return y


def avg_pool2d_backward_loops(dy: Array) -> Array:
    N, C, OH, OW = dy.shape
    dx = np.zeros((N, C, 2 * OH, 2 * OW), np.float32)
    for n, c, i, j in np.ndindex(dy.shape):
        dx[n, c, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2] += dy[n, c, i, j] / 4
    return dx


def linear_loops(x: Array, w: Array, b: Array) -> Array:
    y = np.zeros((len(x), len(w)), np.float32)
    for n, o in np.ndindex(y.shape):
        y[n, o] = (w[o] * x[n]).sum() + b[o]
    return y


def linear_backward_loops(dy: Array, x: Array, w: Array) -> Three:
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for n, o in np.ndindex(dy.shape):
        dx[n] += dy[n, o] * w[o]
        dw[o] += dy[n, o] * x[n]
    return dx, dw, dy.sum(axis=0)


def _columns(x: Array, KH: int, KW: int) -> Array:
    """Every window of the padded x as a column: (N, C * KH * KW, OH * OW)."""
    windows = sliding_window_view(x, (KH, KW), axis=(2, 3))  # (N, C, OH, OW, KH, KW)
    N, C, OH, OW = windows.shape[:4]
    return windows.transpose(0, 1, 4, 5, 2, 3).reshape(N, C * KH * KW, OH * OW)


def conv2d_im2col(x: Array, w: Array, b: Array, padding: int) -> Array:
    O, _, KH, KW = w.shape  # noqa: E741  (the glossary's letter)
    padded = _padded(x, padding)
    y = w.reshape(O, -1) @ _columns(padded, KH, KW) + b[:, None]
    return y.reshape(len(x), O, padded.shape[2] - KH + 1, padded.shape[3] - KW + 1)


def conv2d_backward_im2col(dy: Array, x: Array, w: Array, padding: int) -> Three:
    N, O, OH, OW = dy.shape  # noqa: E741
    C, KH, KW = w.shape[1:]
    padded, flat = _padded(x, padding), dy.reshape(N, O, OH * OW)
    dw = (flat @ _columns(padded, KH, KW).transpose(0, 2, 1)).sum(axis=0).reshape(w.shape)
    windows = (w.reshape(O, -1).T @ flat).reshape(N, C, KH, KW, OH, OW)
    dx = np.zeros_like(padded)
    for kh, kw in np.ndindex(KH, KW):
        dx[:, :, kh : kh + OH, kw : kw + OW] += windows[:, :, kh, kw]
    return _cropped(dx, padding), dw, flat.sum(axis=(0, 2))


def avg_pool2d_slices(x: Array) -> Array:
    rows = x[:, :, 0::2] + x[:, :, 1::2]
    return np.float32(0.25) * (rows[..., 0::2] + rows[..., 1::2])


def avg_pool2d_backward_slices(dy: Array) -> Array:
    return np.repeat(np.repeat(np.float32(0.25) * dy, 2, axis=2), 2, axis=3)


def linear_blas(x: Array, w: Array, b: Array) -> Array:
    return x @ w.T + b


def linear_backward_blas(dy: Array, x: Array, w: Array) -> Three:
    return dy @ w, dy.T @ x, dy.sum(axis=0)


LOOPS = Layers(
    conv2d_loops,
    conv2d_backward_loops,
    avg_pool2d_loops,
    avg_pool2d_backward_loops,
    linear_loops,
    linear_backward_loops,
)
IM2COL = Layers(
    conv2d_im2col,
    conv2d_backward_im2col,
    avg_pool2d_slices,
    avg_pool2d_backward_slices,
    linear_blas,
    linear_backward_blas,
)
