"""A net's layers as the compiled module slides them over a picture.

A layer's output is a set of planes, one for each line of rows and each line of columns (:mod:`.axis`). A
convolution is a sum over its taps, and a pooling a sum or a maximum, and each tap of a plane's outputs lies
on one plane of the input, at an offset that is the same for all of them. A dense layer is a convolution with
a kernel as large as the window. So the outputs are those of every window by itself.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from .. import nn
from .._arrays import Pair
from ..nn.module import Op
from .axis import Axis, Slide

__all__ = ["Axes", "slides_of", "spec_of"]

Axes: TypeAlias = tuple[Axis, Axis]
Slides: TypeAlias = tuple[Slide, Slide]


def slides_of(op: Op, size: Pair) -> Slides | None:
    """How a layer slides over rows and columns of windows of a size; ``None`` where it works in place."""
    if isinstance(op, nn.Linear | nn.AdaptiveAvgPool2d | nn.AdaptiveMaxPool2d):
        return Slide(size[0]), Slide(size[1])
    if not isinstance(op, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
        return None
    kernel, stride, (top, bottom, left, right), dilation = op.window
    return (
        Slide(kernel[0], stride[0], top, bottom, dilation[0]),
        Slide(kernel[1], stride[1], left, right, dilation[1]),
    )


def spec_of(op: Op, axes: Axes, out: Axes) -> dict[str, Any] | None:
    """A layer as plain data, between the axes before and behind it; ``None`` if it does nothing here."""
    slides = slides_of(op, (axes[0].size, axes[1].size))
    if slides is None:
        return None if isinstance(op, nn.Flatten | nn.Identity | nn.Dropout) else op.spec()
    padded = not isinstance(op, nn.AvgPool2d) or op.count_include_pad
    rows, columns = (
        axis.lines(slide, outer, padded) for axis, slide, outer in zip(axes, slides, out, strict=True)
    )
    kernel = slides[0].kernel, slides[1].kernel
    made: dict[str, Any] = {"rows": rows, "columns": columns, "kernel": kernel}
    if isinstance(op, nn.Conv2d | nn.Linear):
        groups = op.groups if isinstance(op, nn.Conv2d) else 1
        weight = op.weight.reshape(len(op.weight), -1, *kernel)
        made |= {
            "kind": "conv2d",
            "channels": len(weight),
            "groups": groups,
            "weight": weight,
            "bias": op.bias,
        }
    elif isinstance(op, nn.AvgPool2d | nn.AdaptiveAvgPool2d):
        divisor = op.divisor_override if isinstance(op, nn.AvgPool2d) else None
        made |= {"kind": "avg_pool2d", "divisor": divisor or 0}
    else:
        made["kind"] = "max_pool2d"
    return made
