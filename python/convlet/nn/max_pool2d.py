"""The max-pooling layer."""

from __future__ import annotations

from typing import Any

from .. import functional
from .._arrays import Array, Numbers, Operand, Padding, Size, flag, window
from .module import Op, padding_of, shown

__all__ = ["MaxPool2d"]


class MaxPool2d(Op):
    """The largest pixel of every window of images (N, C, H, W); :func:`convlet.functional.max_pool2d`.

    Args:
        kernel_size: an int or a pair (rows, columns).
        stride: an int or a pair; ``None`` is the kernel's size.
        padding: an int, a pair, four sides (top, bottom, left, right), ``"same"`` or ``"valid"``.
        dilation: an int or a pair.
        ceil_mode: whether rows and columns left over get a window too.

    Raises:
        TypeError: a size that is no integer.
        ValueError: a size that does not fit.
    """

    kind = "max_pool2d"

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Padding = 0,
        dilation: Size = 1,
        ceil_mode: bool = False,
    ) -> None:
        op = "MaxPool2d"
        self.window = window(op, kernel_size, stride, padding, dilation)
        self.kernel_size, self.stride, _, self.dilation = self.window
        self.padding = padding_of(padding, self.window.padding)
        self.ceil_mode = flag(op, "ceil_mode", ceil_mode)

    def forward(self, x: Numbers) -> Operand:
        """(N, C, H, W) -> (N, C, OH, OW)."""
        return functional.max_pool2d(x, *self.window, self.ceil_mode)

    def backward(self, dy: Array, x: Array, y: Array) -> tuple[Array, dict[str, Array]]:
        """The gradient of the input; :func:`convlet.functional.max_pool2d_backward`."""
        return functional.max_pool2d_backward(dy, x, *self.window, self.ceil_mode), {}

    def spec(self) -> dict[str, Any]:
        """The layer as plain data, for the engine."""
        return {"kind": self.kind, **self.window._asdict(), "ceil_mode": self.ceil_mode}

    def extra_repr(self) -> str:
        """As PyTorch's."""
        sizes = shown(
            kernel_size=self.kernel_size, stride=self.stride, padding=self.padding, dilation=self.dilation
        )
        return f"{sizes}, ceil_mode={self.ceil_mode}"
