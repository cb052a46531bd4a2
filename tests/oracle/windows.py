"""The positions of a sliding window: which taps it has, and which of them lie on the image.

Along one axis, window number `position` has its tap number `tap` at

    position * stride + tap * dilation - before

in the coordinates of the image, where `before` is the padding at the low end (top or left).
"""

from __future__ import annotations

from collections.abc import Iterator

Pair = tuple[int, int]
Sides = tuple[int, int, int, int]


def window_count(
    size: int, kernel: int, stride: int, before: int, after: int, dilation: int, ceil_mode: bool = False
) -> int:
    """How many windows fit along an axis; with `ceil_mode` also one that sticks out at the high end.

    A window that would start behind the image and its low padding, so entirely in the padding at the high
    end, is dropped, as PyTorch does.
    """
    room = size + before + after - dilation * (kernel - 1) - 1
    if not ceil_mode:
        return room // stride + 1
    count = -(-room // stride) + 1
    if (count - 1) * stride >= size + before:
        count -= 1
    return count


def output_shape(
    height: int,
    width: int,
    kernel: Pair,
    stride: Pair,
    padding: Sides,
    dilation: Pair,
    ceil_mode: bool = False,
) -> Pair:
    """Rows and columns of the output of a window that slides over an image of `height` x `width`."""
    top, bottom, left, right = padding
    return (
        window_count(height, kernel[0], stride[0], top, bottom, dilation[0], ceil_mode),
        window_count(width, kernel[1], stride[1], left, right, dilation[1], ceil_mode),
    )


def taps(
    i: int, j: int, height: int, width: int, kernel: Pair, stride: Pair, padding: Sides, dilation: Pair
) -> Iterator[tuple[int, int, int, int]]:
    """Yield `(kh, kw, row, column)` for every tap of window (i, j) that lies on the image, in row order."""
    for kh in range(kernel[0]):
        for kw in range(kernel[1]):
            row = i * stride[0] + kh * dilation[0] - padding[0]
            column = j * stride[1] + kw * dilation[1] - padding[2]
            if 0 <= row < height and 0 <= column < width:
                yield kh, kw, row, column
