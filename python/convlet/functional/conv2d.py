"""Convolution, which here as in every such library is cross-correlation: the kernel is not turned."""

from __future__ import annotations

from typing import SupportsIndex, overload

from .. import _core
from .._arrays import Array, Numbers, Operand, Padding, Size, Window, as_operand, integer, pair, window
from .._core import DeviceArray

__all__ = ["conv2d", "conv2d_backward", "corr2d"]


@overload
def conv2d(  # type: ignore[overload-overlap]
    x: DeviceArray,
    weight: DeviceArray,
    bias: DeviceArray | None = None,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: SupportsIndex = 1,
) -> DeviceArray: ...
@overload
def conv2d(
    x: Numbers,
    weight: Numbers,
    bias: Numbers | None = None,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: SupportsIndex = 1,
) -> Array: ...
def conv2d(
    x: Numbers,
    weight: Numbers,
    bias: Numbers | None = None,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: SupportsIndex = 1,
) -> Operand:
    """Slide kernels over images, with zeros around them.

    ``y[n,o,i,j] = bias[o] + sum over c, kh, kw of
    weight[o,c,kh,kw] * x[n, g*C/groups + c, i*stride + kh*dilation - top, j*stride + kw*dilation - left]``,
    where g is the group that output channel o belongs to. OH = floor((H + top + bottom -
    dilation*(KH-1) - 1) / stride) + 1, and OW alike.

    Args:
        x: images, (N, C, H, W).
        weight: kernels, (O, C/groups, KH, KW).
        bias: one number an output channel, (O,), or none.
        stride: pixels from one window to the next, an int or a pair (rows, columns).
        padding: zeros around the image: an int, a pair (rows, columns), four sides (top, bottom, left,
            right), ``"same"`` (OH = H, OW = W; an even kernel pads the odd row or column at the bottom or
            right; only with stride 1) or ``"valid"`` (none).
        dilation: pixels from one tap of the kernel to the next, an int or a pair.
        groups: the channels are split into this many groups, each with kernels of its own.

    Returns:
        (N, O, OH, OW), float32.

    Raises:
        TypeError: an array that is not of real numbers, or a size that is no integer.
        ValueError: shapes or sizes that do not fit.

    Source: V. Dumoulin, F. Visin, "A guide to convolution arithmetic for deep learning", 2016.
    """
    op = "conv2d"
    images, kernels = as_operand(op, "x", x), as_operand(op, "weight", weight)
    offsets = None if bias is None else as_operand(op, "bias", bias)
    _, steps, zeros, spread = _window(op, kernels, stride, padding, dilation)
    return _core.conv2d(images, kernels, offsets, steps, zeros, spread, integer(op, "groups", groups))


@overload
def conv2d_backward(  # type: ignore[overload-overlap]
    dy: DeviceArray,
    x: DeviceArray,
    weight: DeviceArray,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: SupportsIndex = 1,
) -> tuple[DeviceArray, DeviceArray, DeviceArray]: ...
@overload
def conv2d_backward(
    dy: Numbers,
    x: Numbers,
    weight: Numbers,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: SupportsIndex = 1,
) -> tuple[Array, Array, Array]: ...
def conv2d_backward(
    dy: Numbers,
    x: Numbers,
    weight: Numbers,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: SupportsIndex = 1,
) -> tuple[Operand, Operand, Operand]:
    """The gradients of :func:`conv2d`, called with the same options.

    ``dweight[o,c,kh,kw] = sum over n, i, j of dy[n,o,i,j] * x[n,c,h,w]``,
    ``dx[n,c,h,w] = sum over the o, i, j, kh, kw that read this pixel of dy[n,o,i,j] * weight[o,c,kh,kw]``,
    with h = i*stride + kh*dilation - top and w alike, and ``dbias[o] = sum over n, i, j of dy[n,o,i,j]``.

    Args:
        dy: gradient of the output, (N, O, OH, OW).
        x: the images that went in, (N, C, H, W).
        weight: the kernels, (O, C/groups, KH, KW).
        stride: as in :func:`conv2d`.
        padding: as in :func:`conv2d`.
        dilation: as in :func:`conv2d`.
        groups: as in :func:`conv2d`.

    Returns:
        ``(dx, dweight, dbias)`` of the shapes of x and weight, and (O,).

    Raises:
        TypeError: as :func:`conv2d`.
        ValueError: as :func:`conv2d`, and a dy that is not of the output's shape.
    """
    op = "conv2d_backward"
    gradient, images, kernels = (
        as_operand(op, name, array) for name, array in (("dy", dy), ("x", x), ("weight", weight))
    )
    _, steps, zeros, spread = _window(op, kernels, stride, padding, dilation)
    return _core.conv2d_backward(
        gradient, images, kernels, steps, zeros, spread, integer(op, "groups", groups)
    )


@overload
def corr2d(x: DeviceArray, kernel: DeviceArray) -> DeviceArray: ...  # type: ignore[overload-overlap]
@overload
def corr2d(x: Numbers, kernel: Numbers) -> Array: ...
def corr2d(x: Numbers, kernel: Numbers) -> Operand:
    """Cross-correlate one picture with one kernel, without padding.

    ``y[i,j] = sum over kh, kw of kernel[kh,kw] * x[i+kh, j+kw]``

    Args:
        x: (H, W).
        kernel: (KH, KW), no larger than x.

    Returns:
        (H-KH+1, W-KW+1), float32.

    Raises:
        TypeError: an array that is not of real numbers.
        ValueError: an array of another rank, an empty kernel, or one that is larger than x.

    Source: "Dive into Deep Learning", section "Convolutions for Images".
    """
    op = "corr2d"
    picture, taps = as_operand(op, "x", x), as_operand(op, "kernel", kernel)
    if picture.ndim != 2 or taps.ndim != 2:
        raise ValueError(f"{op}: expected x (H, W) and kernel (KH, KW), got {picture.shape} and {taps.shape}")
    if taps.size == 0 or taps.shape[0] > picture.shape[0] or taps.shape[1] > picture.shape[1]:
        raise ValueError(
            f"{op}: expected a kernel of at least (1, 1) and at most {picture.shape}, got {taps.shape}"
        )
    shapes = (1, 1, *picture.shape), (1, 1, *taps.shape)
    y = _core.conv2d(
        picture.reshape(shapes[0]), taps.reshape(shapes[1]), None, (1, 1), (0, 0, 0, 0), (1, 1), 1
    )
    return y.reshape(y.shape[2:])


def _window(op: str, weight: Operand, stride: Size, padding: Padding, dilation: Size) -> Window:
    if weight.ndim != 4:
        raise ValueError(f"{op}: expected weight of shape (O, C/groups, KH, KW), got {weight.shape}")
    return window(op, weight.shape[2:], pair(op, "stride", stride), padding, dilation)
