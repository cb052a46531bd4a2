"""Each layer by itself: it is its function, with parameters and settings of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

from convlet import functional, nn

X = np.random.default_rng(0).standard_normal((3, 4, 9, 8)).astype(np.float32)

CONV = nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 0, 2, 1), dilation=(1, 2), groups=2, seed=1)
SAME = nn.Conv2d(4, 3, (3, 4), padding="same", bias=False, seed=2)
CONVOLUTION = {"stride": (2, 1), "padding": (1, 0, 2, 1), "dilation": (1, 2), "groups": 2}
MAX = {"kernel_size": (3, 2), "stride": 2, "padding": 1, "dilation": 2, "ceil_mode": True}
AVERAGE = {"kernel_size": 2, "stride": 3, "padding": 1, "ceil_mode": True, "count_include_pad": False}
DIVIDED = {"kernel_size": (2, 3), "divisor_override": 5}


class Case(NamedTuple):
    """A layer, what it does to x, and what it makes of dy: gradients of x, then of the parameters."""

    layer: nn.Layer
    forward: Callable[[Any], Any]
    backward: Callable[..., Any]


CASES = {
    "Conv2d": Case(
        CONV,
        lambda x: functional.conv2d(x, CONV.weight, CONV.bias, **CONVOLUTION),
        lambda dy, x, y: functional.conv2d_backward(dy, x, CONV.weight, **CONVOLUTION),
    ),
    "Conv2d, same": Case(
        SAME,
        lambda x: functional.conv2d(x, SAME.weight, padding="same"),
        lambda dy, x, y: functional.conv2d_backward(dy, x, SAME.weight, padding="same")[:2],
    ),
    "MaxPool2d": Case(
        nn.MaxPool2d(**MAX),
        lambda x: functional.max_pool2d(x, **MAX),
        lambda dy, x, y: [functional.max_pool2d_backward(dy, x, **MAX)],
    ),
    "AvgPool2d": Case(
        nn.AvgPool2d(**AVERAGE),
        lambda x: functional.avg_pool2d(x, **AVERAGE),
        lambda dy, x, y: [functional.avg_pool2d_backward(dy, x, **AVERAGE)],
    ),
    "AvgPool2d, divisor": Case(
        nn.AvgPool2d(**DIVIDED),
        lambda x: functional.avg_pool2d(x, **DIVIDED),
        lambda dy, x, y: [functional.avg_pool2d_backward(dy, x, **DIVIDED)],
    ),
    "AdaptiveAvgPool2d": Case(
        nn.AdaptiveAvgPool2d(1),
        lambda x: functional.avg_pool2d(x, (9, 8)),
        lambda dy, x, y: [functional.avg_pool2d_backward(dy, x, (9, 8))],
    ),
    "AdaptiveMaxPool2d": Case(
        nn.AdaptiveMaxPool2d((1, 1)),
        lambda x: functional.max_pool2d(x, (9, 8)),
        lambda dy, x, y: [functional.max_pool2d_backward(dy, x, (9, 8))],
    ),
    "Normalize": Case(
        nn.Normalize(np.arange(4), np.arange(1, 5)),
        lambda x: functional.normalize(x, np.arange(4), np.arange(1, 5)),
        lambda dy, x, y: [functional.normalize_backward(dy, np.arange(1, 5))],
    ),
    "Identity": Case(nn.Identity(), lambda x: x, lambda dy, x, y: [dy]),
    "Dropout": Case(nn.Dropout(0.5), lambda x: x, lambda dy, x, y: [dy]),
    "Flatten": Case(nn.Flatten(), functional.flatten, lambda dy, x, y: [dy.reshape(x.shape)]),
    "ReLU": Case(nn.ReLU(), functional.relu, lambda dy, x, y: [functional.relu_backward(dy, y)]),
    "Sigmoid": Case(nn.Sigmoid(), functional.sigmoid, lambda dy, x, y: [functional.sigmoid_backward(dy, y)]),
    "Tanh": Case(nn.Tanh(), functional.tanh, lambda dy, x, y: [functional.tanh_backward(dy, y)]),
    "Softmax": Case(
        nn.Softmax(dim=1),
        lambda x: functional.softmax(x, dim=1),
        lambda dy, x, y: [functional.softmax_backward(dy, y, dim=1)],
    ),
    "LogSoftmax": Case(
        nn.LogSoftmax(dim=-2),
        lambda x: functional.log_softmax(x, dim=-2),
        lambda dy, x, y: [functional.log_softmax_backward(dy, y, dim=-2)],
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_layer_is_its_function(case: Case):
    y = case.forward(X)
    assert np.array_equal(case.layer(X), y)
    assert np.array_equal(case.layer(np.asfortranarray(X.astype(np.float64))), y)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_its_gradients_are_those_of_its_function(case: Case, rng: np.random.Generator):
    y = case.layer(X)
    dy = rng.standard_normal(y.shape).astype(np.float32)
    dx, gradients = case.layer.backward(dy, X, y)
    assert list(gradients) == list(case.layer.parameters())
    for actual, expected in zip([dx, *gradients.values()], case.backward(dy, X, y), strict=True):
        assert np.array_equal(actual, expected)


def test_dense_layers_and_their_gradients():
    layer, x = nn.Linear(4, 3, seed=1), X[:, :, 0, 0]
    assert np.array_equal(layer(x), functional.linear(x, layer.weight, layer.bias))
    dx, gradients = layer.backward(np.ones((3, 3), np.float32), x, layer(x))
    assert dx.shape == x.shape
    assert gradients["bias"].tolist() == [3, 3, 3]
    np.testing.assert_allclose(gradients["weight"], np.tile(x.sum(axis=0), (3, 1)), rtol=1e-5)
    plain = nn.Linear(4, 3, bias=False)
    assert plain.bias is None
    assert list(plain.parameters()) == ["weight"]
    assert list(plain.backward(np.ones((3, 3), np.float32), x, x)[1]) == ["weight"]


def test_settings_have_torchs_names_and_forms():
    conv = nn.Conv2d(4, 8, 3, stride=2, padding=1, groups=2)
    assert (conv.in_channels, conv.out_channels, conv.groups) == (4, 8, 2)
    assert (conv.kernel_size, conv.stride, conv.padding, conv.dilation) == ((3, 3), (2, 2), (1, 1), (1, 1))
    assert conv.weight.shape == (8, 2, 3, 3)
    assert nn.Conv2d(1, 1, 3, padding="same").padding == "same"
    assert nn.Conv2d(1, 1, 3, padding=(1, 2, 3, 4)).padding == (1, 2, 3, 4)
    pool = nn.MaxPool2d((2, 3))
    assert (pool.kernel_size, pool.stride, pool.padding, pool.ceil_mode) == ((2, 3), (2, 3), (0, 0), False)
    assert nn.AvgPool2d(2).divisor_override is None


def test_settings_are_fixed_once_the_layer_is_made():
    for layer, name in (
        (nn.Conv2d(1, 1, 3), "stride"),
        (nn.MaxPool2d(2), "ceil_mode"),
        (nn.Softmax(), "dim"),
    ):
        with pytest.raises(
            AttributeError, match=f"{type(layer).__name__}: {name} is fixed once the layer is made"
        ):
            setattr(layer, name, 2)


def test_numpy_integers_are_sizes_too():
    conv = nn.Conv2d(np.int32(1), np.int64(2), np.array([3, 2]), stride=np.uint8(2))
    assert conv.kernel_size == (3, 2)
    assert all(type(size) is int for size in (*conv.kernel_size, *conv.stride, conv.out_channels))


@pytest.mark.parametrize("arguments", [(0,), (2,), (1, 3), (1, 1)])
def test_flatten_joins_all_axes_but_the_batch(arguments: tuple[int, ...]):
    with pytest.raises(ValueError, match="^Flatten: expected (start|end)_dim of at (least|most)"):
        nn.Flatten(*arguments)


def test_pixels_are_taken_as_they_are():
    conv = nn.Conv2d(1, 1, 1, bias=False)
    conv.weight = [[[[1]]]]
    assert conv(np.full((1, 1, 1, 1), 255, np.uint8)).item() == 255


def test_layers_keep_to_the_budget_of_a_call(rng: np.random.Generator):
    """What a layer remembers of its input would be memory that inference never gives back."""
    layer = nn.Conv2d(4, 6, 3)
    before = set(vars(layer))
    layer(X)
    assert set(vars(layer)) == before


def test_the_loss_is_its_function(rng: np.random.Generator):
    logits, target = rng.standard_normal((6, 4)).astype(np.float32), rng.integers(0, 4, 6)
    options = {"weight": [1, 2, 0.5, 1], "ignore_index": 2, "reduction": "sum", "label_smoothing": 0.1}
    loss = nn.CrossEntropyLoss(**options)
    assert loss(logits, target) == functional.cross_entropy(logits, target, **options)
    gradient = functional.cross_entropy_backward(logits, target, **options)
    assert np.array_equal(loss.backward(logits, target), gradient)
    assert loss.spec() == {"kind": "cross_entropy", **options, "weight": loss.weight}
    assert repr(nn.CrossEntropyLoss()) == "CrossEntropyLoss()"
    assert repr(nn.CrossEntropyLoss([1, 2], label_smoothing=0.5)) == (
        "CrossEntropyLoss(weight=[1.0, 2.0], label_smoothing=0.5)"
    )


def test_the_loss_takes_a_copy_of_its_weights():
    weight = np.ones(3, np.float32)
    loss = nn.CrossEntropyLoss(weight)
    weight[:] = 9
    assert loss.weight.tolist() == [1, 1, 1]


@pytest.mark.torch
@pytest.mark.parametrize("shape", [(4,), (6, 4), (6, 4, 3), (6, 4, 3, 2)])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_losses_of_every_rank_agree_with_torch(
    shape: tuple[int, ...], reduction: str, rng: np.random.Generator
):
    torch = pytest.importorskip("torch")
    logits = rng.standard_normal(shape).astype(np.float32)
    places = shape[:1] + shape[2:] if len(shape) > 1 else ()
    target = np.asarray(rng.integers(0, 4, places))
    options = {"reduction": reduction, "label_smoothing": 0.1}
    weight = np.array([1, 2, 0.5, 1], np.float32)
    theirs = torch.tensor(logits, requires_grad=True)
    expected = torch.nn.functional.cross_entropy(
        theirs, torch.tensor(target), torch.tensor(weight), **options
    )
    expected.sum().backward()
    loss = nn.CrossEntropyLoss(weight, **options)
    actual = loss(logits, target)
    assert np.shape(actual) == tuple(expected.shape)
    np.testing.assert_allclose(actual, expected.detach().numpy(), rtol=1e-5, atol=1e-6)
    gradient = loss.backward(logits, target)
    assert gradient.shape == shape
    assert gradient.flags.c_contiguous
    np.testing.assert_allclose(gradient, theirs.grad.numpy(), rtol=1e-5, atol=1e-6)


def test_a_label_out_of_range_is_named_with_its_place():
    logits = np.zeros((2, 10, 3), np.float32)
    with pytest.raises(
        ValueError, match=r"cross_entropy: expected labels in 0\.\.9, got 12 at position \(1, 2\)"
    ):
        functional.cross_entropy(logits, [[0, 1, 2], [3, 4, 12]])
    with pytest.raises(ValueError, match=r"cross_entropy: expected labels in 0\.\.9, got 12 at position 3"):
        functional.cross_entropy(np.zeros((5, 10)), [0, 1, 2, 12, 4])
    with pytest.raises(ValueError, match=r"cross_entropy: expected labels in 0\.\.9, got 10$"):
        functional.cross_entropy(np.zeros(10), 10)
    with pytest.raises(ValueError, match=r"got 9223372036854775807 at position 0"):
        functional.cross_entropy(np.zeros((1, 10)), np.array([2**64 - 100], np.uint64))


def test_a_masked_array_is_refused_since_its_mask_would_be_lost():
    with pytest.raises(TypeError, match="relu: expected an array without a mask for x, got a masked array"):
        functional.relu(np.ma.masked_array([1.0, 2.0], [True, False]))
