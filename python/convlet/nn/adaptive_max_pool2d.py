"""Pooling of whole images to their largest pixels."""

from __future__ import annotations

from .. import functional
from .._arrays import Array, Numbers, Operand, Size
from .module import Op
from .one_pixel import image_size, one_pixel

__all__ = ["AdaptiveMaxPool2d"]


class AdaptiveMaxPool2d(Op):
    """The largest pixel of every channel, (N, C, H, W) -> (N, C, 1, 1): global max pooling.

    Images may have any size. It is :class:`MaxPool2d` with a window of the image's size.

    Args:
        output_size: 1 or (1, 1); PyTorch's other sizes, whose windows overlap unevenly, are refused.

    Raises:
        TypeError: a size that is no integer.
        ValueError: another size.
    """

    kind = "adaptive_max_pool2d"

    def __init__(self, output_size: Size = 1) -> None:
        self.output_size = one_pixel("AdaptiveMaxPool2d", output_size)

    def forward(self, x: Numbers) -> Operand:
        """(N, C, H, W) -> (N, C, 1, 1)."""
        return functional.max_pool2d(x, image_size("AdaptiveMaxPool2d", x))

    def backward(self, dy: Array, x: Array, y: Array) -> tuple[Array, dict[str, Array]]:
        """The gradient of the input; :func:`convlet.functional.max_pool2d_backward`."""
        return functional.max_pool2d_backward(dy, x, x.shape[2:]), {}

    def extra_repr(self) -> str:
        """As PyTorch's."""
        return f"output_size={self.output_size}"
