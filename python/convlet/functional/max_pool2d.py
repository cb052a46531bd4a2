"""Max pooling."""

from __future__ import annotations

from typing import Literal, overload

from .. import _core
from .._arrays import Array, Labels, Numbers, Operand, Padding, Size, as_operand, flag, window
from .._core import DeviceArray

__all__ = ["max_pool2d", "max_pool2d_backward"]


@overload
def max_pool2d(  # type: ignore[overload-overlap]
    x: DeviceArray,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: Literal[False] = False,
) -> DeviceArray: ...
@overload
def max_pool2d(  # type: ignore[overload-overlap]
    x: DeviceArray,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    *,
    return_indices: Literal[True],
) -> tuple[DeviceArray, DeviceArray]: ...
@overload
def max_pool2d(  # type: ignore[overload-overlap]
    x: DeviceArray,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> DeviceArray | tuple[DeviceArray, DeviceArray]: ...
@overload
def max_pool2d(
    x: Numbers,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: Literal[False] = False,
) -> Array: ...
@overload
def max_pool2d(
    x: Numbers,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    *,
    return_indices: Literal[True],
) -> tuple[Array, Labels]: ...
@overload
def max_pool2d(
    x: Numbers,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Array | tuple[Array, Labels]: ...
def max_pool2d(
    x: Numbers,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Operand | tuple[Operand, Labels | DeviceArray]:
    """The largest pixel of every window, each channel by itself.

    ``y[n,c,i,j] = max over kh, kw of x[n, c, i*stride + kh*dilation - top, j*stride + kw*dilation - left]``

    Padding counts as minus infinity. Where a window holds a NaN, NaN is its largest; among equal values the
    first in row order counts. OH = floor((H + top + bottom - dilation*(KH-1) - 1) / stride) + 1, and OW
    alike.

    Args:
        x: images, (N, C, H, W).
        kernel_size: an int or a pair (rows, columns).
        stride: an int or a pair; ``None`` is the kernel's size.
        padding: an int, a pair, four sides (top, bottom, left, right), ``"same"`` or ``"valid"``; of any
            width, as long as every window holds at least one pixel.
        dilation: an int or a pair.
        ceil_mode: round OH and OW up, so that rows and columns left over get a window too; but a window
            that would start behind the image, in the padding, is dropped.
        return_indices: also tell where in its H*W plane each largest pixel lies.

    Returns:
        (N, C, OH, OW), float32; with ``return_indices`` this and an int64 array of the same shape.

    Raises:
        TypeError: an array that is not of real numbers, or a size that is no integer.
        ValueError: shapes or sizes that do not fit, or a window without a pixel.

    Source: PyTorch's ``torch.nn.MaxPool2d``, whose rules these are.
    """
    op = "max_pool2d"
    options = window(op, kernel_size, stride, padding, dilation)
    wants_indices = flag(op, "return_indices", return_indices)
    y, indices = _core.max_pool2d(as_operand(op, "x", x), *options, flag(op, "ceil_mode", ceil_mode))
    return (y, indices) if wants_indices else y


@overload
def max_pool2d_backward(  # type: ignore[overload-overlap]
    dy: DeviceArray,
    x: DeviceArray,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
) -> DeviceArray: ...
@overload
def max_pool2d_backward(
    dy: Numbers,
    x: Numbers,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
) -> Array: ...
def max_pool2d_backward(
    dy: Numbers,
    x: Numbers,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
) -> Operand:
    """The gradient of :func:`max_pool2d`, called with the same options.

    Every dy is added to the pixel that was its window's largest.

    Args:
        dy: gradient of the output, (N, C, OH, OW).
        x: the images that went in, (N, C, H, W).
        kernel_size: as in :func:`max_pool2d`, like the other options.
        stride: see there.
        padding: see there.
        dilation: see there.
        ceil_mode: see there.

    Returns:
        dx, of the shape of x.

    Raises:
        TypeError: as :func:`max_pool2d`.
        ValueError: as :func:`max_pool2d`, and a dy that is not of the output's shape.
    """
    op = "max_pool2d_backward"
    options = window(op, kernel_size, stride, padding, dilation)
    gradient, images = as_operand(op, "dy", dy), as_operand(op, "x", x)
    return _core.max_pool2d_backward(gradient, images, *options, flag(op, "ceil_mode", ceil_mode))
