"""Every backward of the oracles is the derivative of its forward, by finite differences.

The scalar that is differentiated is sum(dy * forward(...)), so that its gradient is the backward of dy.
"""

from __future__ import annotations

import numpy as np
import pytest

from configurations import CONV2D, POOL2D, Conv2d, Pool2d
from finite_differences import assert_gradient
from oracle import activation, avg_pool2d, conv2d, cross_entropy, linear, max_pool2d, softmax

SMALL_CONV2D = [c for c in CONV2D if c.channels <= 7 and c.outputs <= 7]
SMALL_POOL2D = [p for p in POOL2D if p.channels <= 3]


@pytest.mark.parametrize("configuration", SMALL_CONV2D, ids=lambda c: c.name)
def test_conv2d(configuration: Conv2d, rng: np.random.Generator):
    c = configuration
    x = rng.standard_normal((2, c.channels, *c.image))
    weight, bias = rng.standard_normal(c.weight_shape), rng.standard_normal(c.outputs)
    dy = rng.standard_normal((2, *c.output))
    dx, dweight, dbias = conv2d.backward(dy, x, weight, **c.options)
    assert_gradient(dx, lambda v: float((dy * conv2d.forward(v, weight, bias, **c.options)).sum()), x)
    assert_gradient(dweight, lambda v: float((dy * conv2d.forward(x, v, bias, **c.options)).sum()), weight)
    assert_gradient(dbias, lambda v: float((dy * conv2d.forward(x, weight, v, **c.options)).sum()), bias)


@pytest.mark.parametrize("configuration", SMALL_POOL2D, ids=lambda p: p.name)
def test_max_pool2d(configuration: Pool2d, rng: np.random.Generator):
    p = configuration
    pixels = 2 * p.channels * p.image[0] * p.image[1]
    x = rng.permutation(pixels).reshape(2, p.channels, *p.image) / 7  # no two pixels near each other
    dy = rng.standard_normal((2, *p.output))
    dx = max_pool2d.backward(dy, x, p.kernel, **p.max_options)
    assert_gradient(dx, lambda v: float((dy * max_pool2d.forward(v, p.kernel, **p.max_options)[0]).sum()), x)


@pytest.mark.parametrize("configuration", SMALL_POOL2D, ids=lambda p: p.name)
def test_avg_pool2d(configuration: Pool2d, rng: np.random.Generator):
    p = configuration
    x, dy = rng.standard_normal((2, p.channels, *p.image)), rng.standard_normal((2, *p.output))
    dx = avg_pool2d.backward(dy, x, p.kernel, **p.avg_options)
    assert_gradient(dx, lambda v: float((dy * avg_pool2d.forward(v, p.kernel, **p.avg_options)).sum()), x)


def test_linear(rng: np.random.Generator):
    x, weight, bias = rng.standard_normal((3, 5)), rng.standard_normal((4, 5)), rng.standard_normal(4)
    dy = rng.standard_normal((3, 4))
    dx, dweight, dbias = linear.backward(dy, x, weight)
    assert_gradient(dx, lambda v: float((dy * linear.forward(v, weight, bias)).sum()), x)
    assert_gradient(dweight, lambda v: float((dy * linear.forward(x, v, bias)).sum()), weight)
    assert_gradient(dbias, lambda v: float((dy * linear.forward(x, weight, v)).sum()), bias)


@pytest.mark.parametrize("name", activation.NAMES)
def test_activations(name: str, rng: np.random.Generator):
    x, dy = rng.standard_normal((3, 7)), rng.standard_normal((3, 7))
    dx = activation.backward(name, dy, activation.forward(name, x))
    assert_gradient(dx, lambda v: float((dy * activation.forward(name, v)).sum()), x)


@pytest.mark.parametrize("dim", [0, 1, 2])
def test_softmax_and_its_logarithm(dim: int, rng: np.random.Generator):
    x, dy = rng.standard_normal((3, 4, 5)), rng.standard_normal((3, 4, 5))
    dx = softmax.backward(dy, softmax.forward(x, dim), dim)
    assert_gradient(dx, lambda v: float((dy * softmax.forward(v, dim)).sum()), x)
    dx = softmax.log_backward(dy, softmax.log_forward(x, dim), dim)
    assert_gradient(dx, lambda v: float((dy * softmax.log_forward(v, dim)).sum()), x)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("label_smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_cross_entropy(reduction: str, label_smoothing: float, weighted: bool, rng: np.random.Generator):
    logits, target = rng.standard_normal((6, 4)), np.array([0, 3, 1, 1, 2, -100])
    weight = rng.uniform(0.5, 2, 4) if weighted else None
    options = {"weight": weight, "reduction": reduction, "label_smoothing": label_smoothing}
    dlogits = cross_entropy.backward(logits, target, **options)
    assert_gradient(dlogits, lambda v: float(cross_entropy.forward(v, target, **options).sum()), logits)
