"""The average-pooling layer."""

from __future__ import annotations

from typing import Any, SupportsIndex

from .. import functional
from .._arrays import Array, Numbers, Operand, Padding, Size, flag, integer, window
from .module import Op, padding_of, shown

__all__ = ["AvgPool2d"]


class AvgPool2d(Op):
    """The average of every window of images (N, C, H, W); :func:`convlet.functional.avg_pool2d`.

    Args:
        kernel_size: an int or a pair (rows, columns).
        stride: an int or a pair; ``None`` is the kernel's size.
        padding: an int, a pair, four sides (top, bottom, left, right), ``"same"`` or ``"valid"``.
        ceil_mode: whether rows and columns left over get a window too.
        count_include_pad: whether the padding's zeros count as taps.
        divisor_override: divide by this instead of the number of taps, from 1.

    Raises:
        TypeError: a size that is no integer.
        ValueError: a size that does not fit.
    """

    kind = "avg_pool2d"

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Padding = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: SupportsIndex | None = None,
    ) -> None:
        op = "AvgPool2d"
        self.window = window(op, kernel_size, stride, padding, dilation=1)
        self.kernel_size, self.stride, _, _ = self.window
        self.padding = padding_of(padding, self.window.padding)
        self.ceil_mode = flag(op, "ceil_mode", ceil_mode)
        self.count_include_pad = flag(op, "count_include_pad", count_include_pad)
        divisor = None if divisor_override is None else integer(op, "divisor_override", divisor_override)
        self.divisor_override = divisor

    def forward(self, x: Numbers) -> Operand:
        """(N, C, H, W) -> (N, C, OH, OW)."""
        return functional.avg_pool2d(x, *self.window[:3], *self._counting())

    def backward(self, dy: Array, x: Array, y: Array) -> tuple[Array, dict[str, Array]]:
        """The gradient of the input; :func:`convlet.functional.avg_pool2d_backward`."""
        return functional.avg_pool2d_backward(dy, x, *self.window[:3], *self._counting()), {}

    def spec(self) -> dict[str, Any]:
        """The layer as plain data, for the engine."""
        return {
            "kind": self.kind,
            **self.window._asdict(),
            "ceil_mode": self.ceil_mode,
            "count_include_pad": self.count_include_pad,
            "divisor_override": self.divisor_override or 0,
        }

    def extra_repr(self) -> str:
        """As PyTorch's."""
        return shown(kernel_size=self.kernel_size, stride=self.stride, padding=self.padding)

    def _counting(self) -> tuple[bool, bool, int | None]:
        return self.ceil_mode, self.count_include_pad, self.divisor_override
