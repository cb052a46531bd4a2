"""Layers that see no window's border, as a net of convolutions and pooling that takes pictures of any size.

Where there is one line along each axis, the engine can carry pieces of a picture through all layers at once.
"""

from __future__ import annotations

from collections.abc import Sequence

from .. import nn
from ..nn.module import Op
from .layers import Axes

__all__ = ["chain", "layers_at_borders"]


def layers_at_borders(axes: Sequence[Axes]) -> int:
    """How many layers there are before those that see no window's border, nor what depends on it.

    Args:
        axes: of the input, and of every layer's output.
    """
    seen = [i for i, both in enumerate(axes) if any(axis.has_borders for axis in both)]
    return seen[-1] + 1 if seen else 0


def chain(ops: Sequence[Op], axes: Sequence[Axes]) -> nn.Sequential:
    """The net (N, C, H, W) -> (N, K, rows, columns) of layers that see no window's border.

    Args:
        ops: the layers.
        axes: of the input, and of every layer's output.
    """
    pairs = zip(ops, axes, axes[1:], strict=False)
    return nn.Sequential(*(_layer(op, *both) for op, *both in pairs if not isinstance(op, nn.Flatten)))


def _layer(op: Op, before: Axes, after: Axes) -> Op:
    """The same layer for pictures of any size. A single output of a window moves as the windows do."""
    stride = before[0].step // after[0].step, before[1].step // after[1].step
    if isinstance(op, nn.Linear):
        window = before[0].size, before[1].size
        channels = op.in_features // (window[0] * window[1])
        made = nn.Conv2d(channels, op.out_features, window, stride, bias=op.bias is not None)
        return _with_parameters_of(op, made)
    if isinstance(op, nn.Conv2d):
        sizes = op.in_channels, op.out_channels, op.kernel_size, stride, 0, op.dilation, op.groups
        return _with_parameters_of(op, nn.Conv2d(*sizes, bias=op.bias is not None))
    if isinstance(op, nn.MaxPool2d):
        return nn.MaxPool2d(op.kernel_size, stride, dilation=op.dilation)
    if isinstance(op, nn.AvgPool2d):
        return nn.AvgPool2d(op.kernel_size, stride, divisor_override=op.divisor_override)
    return type(op)(1) if isinstance(op, nn.Softmax | nn.LogSoftmax) else op


def _with_parameters_of(op: nn.Conv2d | nn.Linear, made: nn.Conv2d) -> nn.Conv2d:
    made.weight[...] = op.weight.reshape(made.weight.shape)
    if made.bias is not None:
        made.bias[...] = op.bias
    return made
