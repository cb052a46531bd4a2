"""Convolutions, forward and backward: for every way that the library computes them, and around its tails."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from configurations import Conv2d
from convlet import functional
from fuzz import float64
from fuzz.problem import Arrays, Expected, Kind, Problem
from fuzz.values import batch_of, choice, numbers, pair

COMMON = ["small"] * 9 + ["rows"] * 4 + ["channels"] * 5
FAMILIES = [*COMMON, "pixels", "depthwise", "gradient", "image", "bands", "busy", "long"]
"""Rows fill the lanes with columns, channels with output channels, 1x1 kernels with pixels; a weight gradient
has blocks of its own; images are cut into bands of rows; busy ones are shared among threads; long ones have
chains of more than 8192 taps."""


def draw(rng: np.random.Generator, kind: Kind) -> Problem:
    c, batch = _drawn(rng)
    shapes = {
        "x": (batch, c.channels, *c.image),
        "weight": c.weight_shape,
        "bias": (c.outputs,),
        "dy": (batch, *c.output),
    }
    inputs = {name: numbers(rng, kind, shape) for name, shape in shapes.items() if name != "bias" or c.bias}
    return problem(c, inputs, kind)


def problem(c: Conv2d, inputs: Arrays, kind: Kind) -> Problem:
    options = c.options

    def run(a: Arrays) -> Arrays:
        y = functional.conv2d(a["x"], a["weight"], a.get("bias"), **options)
        dx, dweight, dbias = functional.conv2d_backward(a["dy"], a["x"], a["weight"], **options)
        return {"y": y, "dx": dx, "dweight": dweight, "dbias": dbias}

    def expected() -> dict[str, Expected]:
        values = sums(c, inputs)
        if kind is Kind.INTEGERS:
            return {name: Expected(value, exact=True) for name, value in values.items()}
        magnitudes = sums(c, {name: np.abs(a) for name, a in inputs.items()})
        taps = prod(c.weight_shape[1:])
        positions = len(inputs["x"]) * prod(c.output[1:])
        terms = {
            "y": taps + 1,
            "dx": taps * c.outputs // max(1, c.channels),
            "dweight": positions,
            "dbias": positions,
        }
        return {name: Expected(values[name], magnitudes[name], terms[name]) for name in values}

    return Problem("conv2d", kind, options, inputs, run, expected, images=("x", "dy"), by_image=("y", "dx"))


def sums(c: Conv2d, a: Arrays) -> dict[str, Any]:
    """All four results in float64."""
    y = float64.conv2d(a["x"], a["weight"], a.get("bias"), **c.options)
    dx, dweight, dbias = float64.conv2d_backward(a["dy"], a["x"], a["weight"], **c.options)
    return {"y": y, "dx": dx, "dweight": dweight, "dbias": dbias}


def _drawn(rng: np.random.Generator) -> tuple[Conv2d, int]:
    family = choice(rng, FAMILIES)
    batch = batch_of(rng)
    kernel, stride, dilation = pair(rng, 1, 4), pair(rng, 1, 3), pair(rng, 1, 3)
    if rng.integers(2):
        stride, dilation = (stride[0], 1), (dilation[0], 1)
    padding = tuple(int(n) for n in rng.integers(0, 4, 4)) if rng.integers(3) else (0, 0, 0, 0)
    groups = choice(rng, [1, 1, 2, 3])
    channels, outputs = pair(rng, 1, 4)
    more = pair(rng, 0, 8)
    if family == "rows":
        channels, outputs, more = *pair(rng, 1, 3), (int(rng.integers(0, 5)), int(rng.integers(8, 60)))
        groups = choice(rng, [1, 1, 1, 2])
        stride, kernel = (stride[0], choice(rng, [1, 1, 1, 2])), (kernel[0], int(rng.integers(1, 8)))
    elif family == "channels":
        channels, outputs = int(rng.integers(1, 20)), int(rng.integers(12, 40))
        groups, more = choice(rng, [1, 1, 1, 2]), pair(rng, 0, 5)
    elif family == "pixels":
        kernel, stride, padding, more = (
            (1, 1),
            (1, 1),
            (0, 0, 0, 0),
            (int(rng.integers(0, 9)), int(rng.integers(0, 40))),
        )
        channels, outputs = pair(rng, 64, 70) if rng.integers(2) else pair(rng, 1, 20)
    elif family == "depthwise":
        groups, channels = int(rng.integers(2, 35)), 1
    elif family == "gradient":
        channels, kernel = int(rng.integers(1, 8)), (int(rng.integers(1, 6)), int(rng.integers(3, 12)))
        stride, dilation, outputs = (stride[0], 1), (dilation[0], 1), int(rng.integers(1, 13))
    elif family == "image":
        groups, channels, outputs, batch = 1, *pair(rng, 1, 3), int(rng.integers(1, 3))
        more = (int(rng.integers(20, 70)), int(rng.integers(20, 70)))
    elif family == "bands":
        groups, channels, outputs, batch = 1, int(rng.integers(1, 3)), int(rng.integers(13, 19)), 1
        kernel, stride, more = pair(rng, 1, 3), choice(rng, [(1, 1), (2, 1)]), pair(rng, 44, 60)
        if rng.integers(2):
            outputs, more = int(rng.integers(2, 5)), (int(rng.integers(300, 400)), int(rng.integers(20, 40)))
    elif family == "busy":
        groups, batch, channels, outputs = 1, int(rng.integers(9, 34)), 8, int(rng.integers(15, 34))
        kernel, stride, dilation, more = (3, 3), (1, 1), (1, 1), pair(rng, 6, 10)
    elif family == "long":
        kernel, channels, outputs, groups = (3, 3), int(rng.integers(908, 925)), int(rng.integers(1, 4)), 1
        batch, stride, dilation, padding = choice(rng, [1, 16, 17]), (1, 1), (1, 1), (1, 0, 0, 1)
        more = pair(rng, 0, 1)
        if rng.integers(2):
            channels, outputs = outputs, channels
    need = [dilation[a] * (kernel[a] - 1) + 1 - padding[2 * a] - padding[2 * a + 1] for a in (0, 1)]
    image = (max(1, need[0]) + more[0], max(1, need[1]) + more[1])
    bias = bool(rng.integers(4))
    return (
        Conv2d(
            family,
            groups * channels,
            image,
            groups * outputs,
            kernel,
            stride,
            padding,
            dilation,
            groups,
            bias,
        ),
        batch,
    )
