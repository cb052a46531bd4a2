"""The oracles mean what PyTorch means, to the precision of float64."""

from __future__ import annotations

import numpy as np
import pytest

from configurations import CONV2D, POOL2D, Conv2d, Pool2d, random_conv2d, random_pool2d
from oracle import activation, adam, avg_pool2d, conv2d, cross_entropy, linear, max_pool2d, sgd, softmax

torch = pytest.importorskip("torch")
functional = torch.nn.functional

pytestmark = pytest.mark.torch

CLOSE = {"rtol": 1e-12, "atol": 1e-12}


def leaf(array: np.ndarray):
    return torch.tensor(array, requires_grad=True)


@pytest.mark.parametrize(
    "configuration", [*CONV2D, *(random_conv2d(seed) for seed in range(20))], ids=lambda c: c.name
)
def test_conv2d(configuration: Conv2d, rng: np.random.Generator):
    c = configuration
    x, weight = rng.standard_normal((2, c.channels, *c.image)), rng.standard_normal(c.weight_shape)
    bias, dy = rng.standard_normal(c.outputs), rng.standard_normal((2, *c.output))
    tx, tweight, tbias = leaf(x), leaf(weight), leaf(bias)
    top, bottom, left, right = c.padding
    padded = functional.pad(tx, (left, right, top, bottom))
    ty = functional.conv2d(padded, tweight, tbias, c.stride, 0, c.dilation, c.groups)
    ty.backward(torch.tensor(dy))
    np.testing.assert_allclose(conv2d.forward(x, weight, bias, **c.options), ty.detach().numpy(), **CLOSE)
    dx, dweight, dbias = conv2d.backward(dy, x, weight, **c.options)
    np.testing.assert_allclose(dx, tx.grad.numpy(), **CLOSE)
    np.testing.assert_allclose(dweight, tweight.grad.numpy(), **CLOSE)
    np.testing.assert_allclose(dbias, tbias.grad.numpy(), **CLOSE)


def torch_takes(p: Pool2d) -> bool:
    """PyTorch pads both ends of an axis alike, by at most half the kernel."""
    top, bottom, left, right = p.padding
    return top == bottom and left == right and 2 * top <= p.kernel[0] and 2 * left <= p.kernel[1]


POOLS = [p for p in [*POOL2D, *(random_pool2d(seed) for seed in range(40))] if torch_takes(p)]


@pytest.mark.parametrize("configuration", POOLS, ids=lambda p: p.name)
def test_max_pool2d(configuration: Pool2d, rng: np.random.Generator):
    p = configuration
    x, dy = rng.integers(-3, 4, (2, p.channels, *p.image)).astype(float), rng.standard_normal((2, *p.output))
    tx, sides = leaf(x), (p.padding[0], p.padding[2])
    ty, tindices = functional.max_pool2d(
        tx, p.kernel, p.stride, sides, p.dilation, p.ceil_mode, return_indices=True
    )
    ty.backward(torch.tensor(dy))
    y, indices = max_pool2d.forward(x, p.kernel, **p.max_options)
    np.testing.assert_array_equal(y, ty.detach().numpy())
    np.testing.assert_array_equal(indices, tindices.numpy())
    dx = max_pool2d.backward(dy, x, p.kernel, **p.max_options)
    np.testing.assert_allclose(dx, tx.grad.numpy(), **CLOSE)


@pytest.mark.parametrize("configuration", [p for p in POOLS if p.dilation == (1, 1)], ids=lambda p: p.name)
def test_avg_pool2d(configuration: Pool2d, rng: np.random.Generator):
    p = configuration
    x, dy = rng.standard_normal((2, p.channels, *p.image)), rng.standard_normal((2, *p.output))
    tx, sides = leaf(x), (p.padding[0], p.padding[2])
    ty = functional.avg_pool2d(
        tx, p.kernel, p.stride, sides, p.ceil_mode, p.count_include_pad, p.divisor_override
    )
    ty.backward(torch.tensor(dy))
    np.testing.assert_allclose(avg_pool2d.forward(x, p.kernel, **p.avg_options), ty.detach().numpy(), **CLOSE)
    np.testing.assert_allclose(
        avg_pool2d.backward(dy, x, p.kernel, **p.avg_options), tx.grad.numpy(), **CLOSE
    )


def test_linear(rng: np.random.Generator):
    x, weight, bias = rng.standard_normal((3, 5)), rng.standard_normal((4, 5)), rng.standard_normal(4)
    dy = rng.standard_normal((3, 4))
    tx, tweight, tbias = leaf(x), leaf(weight), leaf(bias)
    ty = functional.linear(tx, tweight, tbias)
    ty.backward(torch.tensor(dy))
    np.testing.assert_allclose(linear.forward(x, weight, bias), ty.detach().numpy(), **CLOSE)
    for mine, theirs in zip(linear.backward(dy, x, weight), (tx, tweight, tbias), strict=True):
        np.testing.assert_allclose(mine, theirs.grad.numpy(), **CLOSE)


@pytest.mark.parametrize("name", activation.NAMES)
def test_activations(name: str, rng: np.random.Generator):
    x, dy = np.append(5 * rng.standard_normal(50), [0.0, -0.0, np.nan]), rng.standard_normal(53)
    tx = leaf(x)
    ty = getattr(torch, name)(tx)
    ty.backward(torch.tensor(dy))
    np.testing.assert_allclose(activation.forward(name, x), ty.detach().numpy(), **CLOSE)
    dx = activation.backward(name, dy, activation.forward(name, x))
    np.testing.assert_allclose(dx, tx.grad.numpy(), **CLOSE)


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_softmax_and_its_logarithm(dim: int, rng: np.random.Generator):
    x, dy = 5 * rng.standard_normal((3, 4, 5)), rng.standard_normal((3, 4, 5))
    for forward, backward, theirs in (
        (softmax.forward, softmax.backward, torch.softmax),
        (softmax.log_forward, softmax.log_backward, torch.log_softmax),
    ):
        tx = leaf(x)
        ty = theirs(tx, dim)
        ty.backward(torch.tensor(dy))
        np.testing.assert_allclose(forward(x, dim), ty.detach().numpy(), **CLOSE)
        np.testing.assert_allclose(backward(dy, forward(x, dim), dim), tx.grad.numpy(), **CLOSE)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("label_smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("ignore_index", [-100, 2])
def test_cross_entropy(
    reduction: str, label_smoothing: float, weighted: bool, ignore_index: int, rng: np.random.Generator
):
    logits, target = 3 * rng.standard_normal((9, 5)), np.array([0, 4, 1, 2, 3, 2, 1, 0, 2])
    weight = rng.uniform(0.5, 2, 5) if weighted else None
    tlogits = leaf(logits)
    loss = functional.cross_entropy(
        tlogits,
        torch.tensor(target),
        None if weight is None else torch.tensor(weight),
        ignore_index=ignore_index,
        reduction=reduction,
        label_smoothing=label_smoothing,
    )
    loss.sum().backward()
    options = (weight, ignore_index, reduction, label_smoothing)
    np.testing.assert_allclose(
        cross_entropy.forward(logits, target, *options), loss.detach().numpy(), **CLOSE
    )
    np.testing.assert_allclose(
        cross_entropy.backward(logits, target, *options), tlogits.grad.numpy(), **CLOSE
    )


SGD_OPTIONS = [
    {"lr": 0.3},
    {"lr": 0.3, "weight_decay": 0.1},
    {"lr": 0.3, "momentum": 0.9},
    {"lr": 0.3, "momentum": 0.9, "dampening": 0.4, "weight_decay": 0.01},
    {"lr": 0.3, "momentum": 0.8, "nesterov": True, "weight_decay": 0.01},
]


@pytest.mark.parametrize("options", SGD_OPTIONS, ids=str)
def test_sgd(options: dict, rng: np.random.Generator):
    parameter = rng.standard_normal(7)
    theirs, buffer = leaf(parameter), None
    optimizer = torch.optim.SGD([theirs], **options)
    for _ in range(4):
        gradient = rng.standard_normal(7)
        theirs.grad = torch.tensor(gradient)
        optimizer.step()
        parameter, buffer = sgd.step(parameter, gradient, buffer, **options)
        np.testing.assert_allclose(parameter, theirs.detach().numpy(), **CLOSE)


ADAM_OPTIONS = [
    {},
    {"lr": 0.01, "betas": (0.8, 0.9), "eps": 1e-3},
    {"weight_decay": 0.1},
    {"weight_decay": 0.1, "decoupled": True},
]


@pytest.mark.parametrize("options", ADAM_OPTIONS, ids=str)
def test_adam(options: dict, rng: np.random.Generator):
    parameter = rng.standard_normal(7)
    theirs, m, v = leaf(parameter), np.zeros(7), np.zeros(7)
    plain = {name: value for name, value in options.items() if name != "decoupled"}
    kind = torch.optim.AdamW if "decoupled" in options else torch.optim.Adam
    optimizer = kind([theirs], **({"weight_decay": 0.0} | plain))
    for t in range(1, 5):
        gradient = rng.standard_normal(7)
        theirs.grad = torch.tensor(gradient)
        optimizer.step()
        parameter, m, v = adam.step(parameter, gradient, m, v, t, **options)
        np.testing.assert_allclose(parameter, theirs.detach().numpy(), **CLOSE)
