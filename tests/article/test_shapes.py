"""What the article says about sizes: of outputs, of LeNet's layers, and of a dense layer on a large image."""

from __future__ import annotations

import numpy as np
import pytest

from convlet import _core, functional, nn

LENET = [
    ("Conv2d", (6, 28, 28)),
    ("Sigmoid", (6, 28, 28)),
    ("AvgPool2d", (6, 14, 14)),
    ("Conv2d", (16, 10, 10)),
    ("Sigmoid", (16, 10, 10)),
    ("AvgPool2d", (16, 5, 5)),
    ("Flatten", (400,)),
    ("Linear", (120,)),
    ("Sigmoid", (120,)),
    ("Linear", (84,)),
    ("Sigmoid", (84,)),
    ("Linear", (10,)),
]


def articles_lenet() -> nn.Sequential:
    """The article's cell, word for word."""
    return nn.Sequential(
        nn.Conv2d(1, 6, kernel_size=5, padding=2), nn.Sigmoid(),
        nn.AvgPool2d(kernel_size=2, stride=2),
        nn.Conv2d(6, 16, kernel_size=5), nn.Sigmoid(),
        nn.AvgPool2d(kernel_size=2, stride=2),
        nn.Flatten(),
        nn.Linear(16 * 5 * 5, 120), nn.Sigmoid(),
        nn.Linear(120, 84), nn.Sigmoid(),
        nn.Linear(84, 10))  # fmt: skip


@pytest.mark.parametrize("make", [articles_lenet, nn.LeNet])
def test_walk_through_the_shapes_of_lenet(make, rng: np.random.Generator):
    x = rng.random((1, 1, 28, 28), np.float32)
    walked = []
    for layer in make():
        x = layer(x)
        walked.append((type(layer).__name__, x.shape[1:]))
    assert walked == LENET


def test_lenet_has_61706_parameters_and_416520_multiply_adds():
    text = str(nn.LeNet().summary((1, 28, 28)))
    assert "61,706" in text
    assert "416,520" in text


def test_a_kernel_takes_its_size_minus_one_from_the_image():
    y = functional.conv2d(np.zeros((1, 1, 11, 8), np.float32), np.zeros((1, 1, 4, 3), np.float32))
    assert y.shape == (1, 1, 11 - 4 + 1, 8 - 3 + 1)


def test_ten_layers_of_five_by_five_take_240_to_200():
    x = np.zeros((1, 1, 240, 240), np.float32)
    for _ in range(10):
        x = functional.conv2d(x, np.zeros((1, 1, 5, 5), np.float32))
    assert x.shape == (1, 1, 200, 200)


@pytest.mark.parametrize("kernel", [1, 3, 5, 7, (5, 3)])
def test_an_odd_kernel_with_half_of_it_as_padding_keeps_the_size(kernel):
    rows, columns = (kernel, kernel) if isinstance(kernel, int) else kernel
    for padding in [((rows - 1) // 2, (columns - 1) // 2), "same"]:
        layer = nn.Conv2d(1, 1, kernel, padding=padding)
        assert layer(np.zeros((1, 1, 8, 9), np.float32)).shape == (1, 1, 8, 9)


def test_a_stride_of_two_halves_the_image():
    layer = nn.Conv2d(1, 1, kernel_size=3, padding=1, stride=2)
    assert layer(np.zeros((1, 1, 8, 8), np.float32)).shape == (1, 1, 4, 4)
    layer = nn.Conv2d(1, 1, kernel_size=(3, 5), padding=(0, 1), stride=(3, 4))
    assert layer(np.zeros((1, 1, 8, 8), np.float32)).shape == (1, 1, 2, 2)


def test_a_dense_layer_on_a_megapixel_needs_a_billion_weights_and_a_convolution_few():
    """Only described, never allocated."""
    dense = [
        {"kind": "flatten"},
        {"kind": "linear", "in_features": 10**6, "out_features": 1000, "bias": True},
    ]
    assert _core.Plan(dense, (1, 1000, 1000)).parameter_count == 10**9 + 1000
    text = str(nn.Sequential(nn.Flatten(), nn.Linear(10**6, 1000)).summary((1, 1000, 1000)))
    assert "1,000,001,000" in text
    assert "26" in str(nn.Sequential(nn.Conv2d(1, 1, 5)).summary((1, 1000, 1000)))
