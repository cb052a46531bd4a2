"""The fast sums are those of the slow loops in `oracle/`: in the padding, at the edges, and of NaN."""

from __future__ import annotations

import numpy as np
import pytest

from configurations import CONV2D, POOL2D, Conv2d, Pool2d, random_conv2d, random_pool2d
from fuzz import conv2d as drawn_conv2d
from fuzz import float64
from fuzz.pool2d import divisors
from fuzz.problem import Kind
from fuzz.values import numbers
from oracle import avg_pool2d, conv2d, max_pool2d

CLOSE = {"rtol": 1e-12, "atol": 1e-12}
CONVOLUTIONS = [*(c for c in CONV2D if c.channels * c.outputs < 100), *map(random_conv2d, range(30))]
POOLINGS = [*POOL2D, *map(random_pool2d, range(30))]
KINDS = [Kind.INTEGERS, Kind.NONFINITE]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.value)
@pytest.mark.parametrize("c", CONVOLUTIONS, ids=lambda c: c.name)
def test_convolutions(c: Conv2d, kind: Kind, rng: np.random.Generator):
    shapes = {
        "x": (3, c.channels, *c.image),
        "weight": c.weight_shape,
        "bias": (c.outputs,),
        "dy": (3, *c.output),
    }
    a = {name: numbers(rng, kind, shape) for name, shape in shapes.items()}
    with np.errstate(invalid="ignore"):
        fast = drawn_conv2d.sums(c, a)
        slow = (
            conv2d.forward(a["x"], a["weight"], a["bias"], **c.options),
            *conv2d.backward(a["dy"], a["x"], a["weight"], **c.options),
        )
    for (name, actual), expected in zip(fast.items(), slow, strict=True):
        np.testing.assert_allclose(actual, expected, **CLOSE, err_msg=name)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.value)
@pytest.mark.parametrize("p", POOLINGS, ids=lambda p: p.name)
def test_poolings(p: Pool2d, kind: Kind, rng: np.random.Generator):
    x, dy = numbers(rng, kind, (3, p.channels, *p.image)), numbers(rng, kind, (3, *p.output))
    window = (p.kernel, p.stride or p.kernel, p.padding, p.dilation)
    y, where = float64.max_pool2d(x, *window, p.output[1:])
    for actual, expected in zip((y, where), max_pool2d.forward(x, p.kernel, **p.max_options), strict=True):
        np.testing.assert_array_equal(actual, expected)
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(
            float64.max_pool2d_backward(dy, where, p.image, *window),
            max_pool2d.backward(dy, x, p.kernel, **p.max_options),
        )
        np.testing.assert_allclose(
            float64.window_sums(x, *window, p.output[1:]) / divisors(p),
            avg_pool2d.forward(x, p.kernel, **p.avg_options),
            **CLOSE,
        )
        np.testing.assert_allclose(
            float64.spread(dy / divisors(p), p.image, *window),
            avg_pool2d.backward(dy, x, p.kernel, **p.avg_options),
            **CLOSE,
        )
