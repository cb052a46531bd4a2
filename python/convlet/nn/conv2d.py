"""The convolution layer."""

from __future__ import annotations

from typing import Any, SupportsIndex

from .. import functional
from .._arrays import Array, Numbers, Operand, Padding, Size, beside, flag, integer, pair, window
from .module import Weighted, padding_of

__all__ = ["Conv2d"]


class Conv2d(Weighted):
    """Slide ``out_channels`` trained kernels over images (N, C, H, W); :func:`convlet.functional.conv2d`.

    Parameters: ``weight`` (out_channels, in_channels/groups, KH, KW) and ``bias`` (out_channels,), drawn from
    U(1 / sqrt(in_channels/groups * KH * KW)) as PyTorch does.

    Args:
        in_channels: channels of an image.
        out_channels: kernels, and so channels of the output.
        kernel_size: an int or a pair (rows, columns).
        stride: an int or a pair.
        padding: zeros around the image: an int, a pair (rows, columns), four sides (top, bottom, left,
            right), ``"same"`` or ``"valid"``.
        dilation: an int or a pair.
        groups: groups of channels with kernels of their own; it divides both numbers of channels.
        bias: whether there is one.
        seed: for the same first weights every time.

    Raises:
        TypeError: a size that is no integer.
        ValueError: a size that does not fit.
    """

    kind = "conv2d"

    def __init__(
        self,
        in_channels: SupportsIndex,
        out_channels: SupportsIndex,
        kernel_size: Size,
        stride: Size = 1,
        padding: Padding = 0,
        dilation: Size = 1,
        groups: SupportsIndex = 1,
        bias: bool = True,
        *,
        seed: int | None = None,
    ) -> None:
        op = "Conv2d"
        self.in_channels = integer(op, "in_channels", in_channels)
        self.out_channels = integer(op, "out_channels", out_channels)
        self.window = window(op, kernel_size, pair(op, "stride", stride), padding, dilation)
        self.kernel_size, self.stride, _, self.dilation = self.window
        self.padding = padding_of(padding, self.window.padding)
        self.groups = integer(op, "groups", groups)
        if self.in_channels % self.groups or self.out_channels % self.groups:
            raise ValueError(
                f"{op}: expected groups that divide in_channels={self.in_channels} and "
                f"out_channels={self.out_channels}, got {self.groups}"
            )
        shape = (self.out_channels, self.in_channels // self.groups, *self.kernel_size)
        super().__init__(shape, flag(op, "bias", bias), seed)

    def forward(self, x: Numbers) -> Operand:
        """(N, C, H, W) -> (N, O, OH, OW); pixels are taken as they are."""
        bias = None if self.bias is None else beside(x, self.bias)
        return functional.conv2d(x, beside(x, self.weight), bias, *self.window[1:], self.groups)

    def backward(self, dy: Array, x: Array, y: Array) -> tuple[Array, dict[str, Array]]:
        """The gradients of the input and of the parameters; :func:`convlet.functional.conv2d_backward`."""
        dx, dw, db = functional.conv2d_backward(dy, x, self.weight, *self.window[1:], self.groups)
        return dx, {"weight": dw} if self.bias is None else {"weight": dw, "bias": db}

    def spec(self) -> dict[str, Any]:
        """The layer as plain data, for the engine."""
        return {
            "kind": self.kind,
            "in_channels": self.in_channels,
            "out_channels": self.out_channels,
            **self.window._asdict(),
            "groups": self.groups,
            "bias": "bias" in self.slot.shapes,
        }

    def arguments(self) -> dict[str, Any]:
        """What makes another layer like this one."""
        sizes = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups")
        bias = "bias" in self.slot.shapes
        return {name: getattr(self, name) for name in sizes} | {"bias": bias, "seed": self.seed}

    def extra_repr(self) -> str:
        """As PyTorch's: what is not the default."""
        shown = (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        )
        if self.padding != (0, 0):
            shown += f", padding={self.padding}"
        if self.dilation != (1, 1):
            shown += f", dilation={self.dilation}"
        if self.groups != 1:
            shown += f", groups={self.groups}"
        return shown if "bias" in self.slot.shapes else shown + ", bias=False"
