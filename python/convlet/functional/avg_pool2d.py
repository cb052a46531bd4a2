"""Average pooling."""

from __future__ import annotations

from typing import SupportsIndex, overload

from .. import _core
from .._arrays import Array, Numbers, Operand, Padding, Size, as_operand, flag, integer, window
from .._core import DeviceArray

__all__ = ["avg_pool2d", "avg_pool2d_backward"]


@overload
def avg_pool2d(  # type: ignore[overload-overlap]
    x: DeviceArray,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: SupportsIndex | None = None,
    dilation: Size = 1,
) -> DeviceArray: ...
@overload
def avg_pool2d(
    x: Numbers,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: SupportsIndex | None = None,
    dilation: Size = 1,
) -> Array: ...
def avg_pool2d(
    x: Numbers,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: SupportsIndex | None = None,
    dilation: Size = 1,
) -> Operand:
    """The average of every window, each channel by itself, with zeros around the images.

    ``y[n,c,i,j] = 1/d * sum over kh, kw of
    x[n, c, i*stride + kh*dilation - top, j*stride + kw*dilation - left]``, where d counts the window's taps
    on the padded image (with ``count_include_pad``) or on the image itself (without), or is
    ``divisor_override``. OH = floor((H + top + bottom - dilation*(KH-1) - 1) / stride) + 1, and OW alike.

    Args:
        x: images, (N, C, H, W).
        kernel_size: an int or a pair (rows, columns).
        stride: an int or a pair; ``None`` is the kernel's size.
        padding: an int, a pair, four sides (top, bottom, left, right), ``"same"`` or ``"valid"``; of any
            width, as long as every window holds at least one pixel.
        ceil_mode: round OH and OW up, so that rows and columns left over get a window too; but a window
            that would start behind the image, in the padding, is dropped; taps behind the padding never
            count.
        count_include_pad: whether the padding's zeros count as taps.
        divisor_override: divide by this instead, from 1.
        dilation: an int or a pair.

    Returns:
        (N, C, OH, OW), float32.

    Raises:
        TypeError: an array that is not of real numbers, or a size that is no integer.
        ValueError: shapes or sizes that do not fit, or a window without a pixel.

    Source: PyTorch's ``torch.nn.AvgPool2d``, whose rules these are; it has no dilation.
    """
    op = "avg_pool2d"
    options = window(op, kernel_size, stride, padding, dilation)
    counting = _counting(op, ceil_mode, count_include_pad, divisor_override)
    return _core.avg_pool2d(as_operand(op, "x", x), *options, *counting)


@overload
def avg_pool2d_backward(  # type: ignore[overload-overlap]
    dy: DeviceArray,
    x: DeviceArray,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: SupportsIndex | None = None,
    dilation: Size = 1,
) -> DeviceArray: ...
@overload
def avg_pool2d_backward(
    dy: Numbers,
    x: Numbers,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: SupportsIndex | None = None,
    dilation: Size = 1,
) -> Array: ...
def avg_pool2d_backward(
    dy: Numbers,
    x: Numbers,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: SupportsIndex | None = None,
    dilation: Size = 1,
) -> Operand:
    """The gradient of :func:`avg_pool2d`, called with the same options.

    ``dx[n,c,h,w] = sum over the windows i, j that hold this pixel of dy[n,c,i,j] / d[i,j]``

    Args:
        dy: gradient of the output, (N, C, OH, OW).
        x: the images that went in, (N, C, H, W); only their shape counts.
        kernel_size: as in :func:`avg_pool2d`, like the other options.
        stride: see there.
        padding: see there.
        ceil_mode: see there.
        count_include_pad: see there.
        divisor_override: see there.
        dilation: see there.

    Returns:
        dx, of the shape of x.

    Raises:
        TypeError: as :func:`avg_pool2d`.
        ValueError: as :func:`avg_pool2d`, and a dy that is not of the output's shape.
    """
    op = "avg_pool2d_backward"
    options = window(op, kernel_size, stride, padding, dilation)
    counting = _counting(op, ceil_mode, count_include_pad, divisor_override)
    return _core.avg_pool2d_backward(as_operand(op, "dy", dy), as_operand(op, "x", x), *options, *counting)


def _counting(
    op: str, ceil_mode: bool, count_include_pad: bool, divisor_override: SupportsIndex | None
) -> tuple[bool, bool, int]:
    """The options that say how many taps a window has; 0 stands for no override."""
    divisor = 0 if divisor_override is None else integer(op, "divisor_override", divisor_override)
    return flag(op, "ceil_mode", ceil_mode), flag(op, "count_include_pad", count_include_pad), divisor
