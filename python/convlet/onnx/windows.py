"""How a kernel slides over an image, in ONNX's attributes and in convlet's options."""

from __future__ import annotations

from collections.abc import Sequence

from .._arrays import Window, choice
from .model import UnsupportedError

__all__ = ["rounding_up", "sliding"]

_AUTO_PADS = ("NOTSET", "SAME_LOWER", "SAME_UPPER", "VALID")


def sliding(
    image: Sequence[int | None],
    kernel_shape: Sequence[int],
    *,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    dilations: Sequence[int] = (),
    pads: Sequence[int] = (),
    strides: Sequence[int] = (),
) -> tuple[Window, bool]:
    """The options of a sliding operator, those of one spatial axis as those of an image of one row.

    Args:
        image: the sizes of the one or two spatial axes; only ``SAME_*`` with a stride needs to know them.
        kernel_shape: one size an axis, as the other arguments.
        auto_pad: ``SAME_UPPER`` and ``SAME_LOWER`` pad so that there is a window for every ``stride``
            pixels begun, with the odd pixel at the end or at the beginning; ``VALID`` does not pad.
        ceil_mode: whether sizes are rounded up.
        dilations: 1 if there are none.
        pads: all beginnings, then all ends; 0 if there are none.
        strides: 1 if there are none.

    Returns:
        Kernel, stride, padding and dilation, and whether sizes are rounded up.

    Raises:
        UnsupportedError: more than two spatial axes, or a combination whose size ONNX leaves open.
        ValueError: attributes that do not fit each other.

    Source: https://onnx.ai/onnx/operators/onnx__AveragePool.html.
    """
    axes = len(image)
    if axes not in (1, 2):
        raise UnsupportedError(f"expected one or two spatial axes, got {axes}")
    kernel = _each("kernel_shape", kernel_shape, axes, [])
    steps = _each("strides", strides, axes, axes * [1])
    spread = _each("dilations", dilations, axes, axes * [1])
    given = _each("pads", pads, 2 * axes, 2 * axes * [0])
    begin, end = given[:axes], given[axes:]
    how = choice("auto_pad", "value", auto_pad, _AUTO_PADS)
    if how != "NOTSET":
        if any(given):
            raise ValueError(f"expected either pads or auto_pad, got both: {given} and {how}")
        if how == "VALID" and ceil_mode:
            raise UnsupportedError("ceil_mode=1 with auto_pad=VALID, on which ONNX's own texts disagree")
        ceil_mode = 0  # of no effect: the padding makes the windows fit
    if how.startswith("SAME"):
        totals = [_total(*axis) for axis in zip(image, kernel, steps, spread, strict=True)]
        halves, rest = [total // 2 for total in totals], [total - total // 2 for total in totals]
        begin, end = (halves, rest) if how == "SAME_UPPER" else (rest, halves)
    one, none = [1] * (2 - axes), [0] * (2 - axes)
    (rows, columns), (down, across), (over, along) = one + kernel, one + steps, one + spread
    (top, left), (bottom, right) = none + begin, none + end
    window = Window((rows, columns), (down, across), (top, bottom, left, right), (over, along))
    return window, bool(ceil_mode)


def rounding_up(window: Window, image: Sequence[int], output: Sequence[int]) -> tuple[Window, bool]:
    """A pooling that rounds sizes up, so that nothing hangs on windows that would start in the padding.

    convlet, PyTorch and ONNX Runtime drop those; ONNX says so since opset 22, and before counts them. The
    same windows come out if there is no padding left for one to start in, or without rounding up.

    Args:
        window: the pooling's options.
        image: (H, W).
        output: (OH, OW), without the dropped windows.

    Returns:
        The options with less padding if need be, and whether sizes are still rounded up.

    Raises:
        UnsupportedError: one direction must be rounded up, the other must not.
    """
    top, bottom, left, right = window.padding
    spare, added = [0, 0], [False, False]
    for n, padding in enumerate((top + bottom, left + right)):
        reach = (window.kernel[n] - 1) * window.dilation[n] + 1
        whole, rest = divmod(image[n] + padding - reach, window.stride[n])
        added[n] = output[n] > whole + 1
        spare[n] = 0 if added[n] else rest  # pixels of padding, or of the image, that no window covers
    if not any(spare):
        return window, True
    if not any(added):
        return window, False
    if spare[0] > bottom or spare[1] > right:
        raise UnsupportedError(f"ceil_mode=True, which images of {tuple(image)} need in one direction only")
    return window._replace(padding=(top, bottom - spare[0], left, right - spare[1])), True


def _each(name: str, values: Sequence[int], count: int, default: list[int]) -> list[int]:
    if not values:
        return default
    if len(values) != count:
        raise ValueError(f"expected {count} numbers as {name}, got {list(values)}")
    return list(values)


def _total(size: int | None, kernel: int, stride: int, dilation: int) -> int:
    """Pixels of padding along an axis for ceil(size / stride) windows."""
    reach = (kernel - 1) * dilation + 1
    if stride == 1:
        return reach - 1
    if size is None:
        raise UnsupportedError("auto_pad=SAME with a stride on an image of unknown size")
    return max(0, (-(-size // stride) - 1) * stride + reach - size)
