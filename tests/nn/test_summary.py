"""The table of a net's shapes, parameters and work."""

from __future__ import annotations

import numpy as np
import pytest

from convlet import nn
from networks import EXTRAS, NETWORKS, Network


def test_the_figures_of_lenet():
    summary = nn.LeNet().summary((1, 28, 28))
    assert summary.parameters == 61_706
    assert summary.multiply_adds == 416_520
    assert summary.output_shape == (10,)
    figures = [(row.name, row.output_shape, row.parameters, row.multiply_adds) for row in summary.rows]
    assert [row for row in figures if row[2]] == [
        ("0", (6, 28, 28), 156, 117_600),
        ("3", (16, 10, 10), 2_416, 240_000),
        ("7", (120,), 48_120, 48_000),
        ("9", (84,), 10_164, 10_080),
        ("11", (10,), 850, 840),
    ]


def test_the_table():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Sequential(nn.ReLU(), nn.Flatten()), nn.Linear(72, 10))
    assert str(net.summary((1, 8, 8))).splitlines() == [
        "     layer    output shape  parameters  multiply-adds",
        "-----------------------------------------------------",
        "     input    (1, 8, 8)",
        "0    Conv2d   (2, 6, 6)             20            648",
        "1.0  ReLU     (2, 6, 6)              0              0",
        "1.1  Flatten  (72,)                  0              0",
        "2    Linear   (10,)                730            720",
        "-----------------------------------------------------",
        "     total                         750          1,368",
    ]
    assert repr(net.summary((1, 8, 8))) == str(net.summary((1, 8, 8)))


@pytest.mark.parametrize("network", NETWORKS + EXTRAS, ids=lambda n: n.name)
def test_it_agrees_with_the_plan_and_with_what_comes_out(network: Network):
    net = network.make()
    summary, plan = net.summary(network.input_shape), net.plan(network.input_shape)
    assert summary.parameters == plan.parameter_count == net.parameter_count
    assert summary.parameters == sum(array.size for array in net.parameters().values())
    assert summary.multiply_adds == sum(layer["multiply_adds"] for layer in plan.layers)
    x = np.zeros((2, *network.input_shape), np.float32)
    for row, layer in zip(summary.rows, net.ops().values(), strict=True):
        x = layer(x)
        assert row.output_shape == x.shape[1:]


def test_a_row_of_features_may_be_given_as_its_length():
    net = nn.Sequential(nn.Linear(4, 3))
    assert net.summary(4).rows == net.summary((4,)).rows


def test_a_dense_layer_on_a_megapixel_is_described_and_not_made():
    dense = nn.Sequential(nn.Flatten(), nn.Linear(10**6, 1000)).summary((1, 1000, 1000))
    assert dense.parameters == 10**9 + 1000
    assert dense.multiply_adds == 10**9
    assert nn.Sequential(nn.Conv2d(1, 1, 5)).summary((1, 1000, 1000)).parameters == 26


@pytest.mark.parametrize("call", ["summary", "plan"])
def test_shapes_that_do_not_fit_are_refused(call: str):
    method = getattr(nn.LeNet(), call)
    with pytest.raises(
        ValueError, match=r"^plan: expected input_shape \(C, H, W\) or \(F,\), got \(28, 28\)"
    ):
        method((28, 28))
    with pytest.raises(ValueError, match=r"^plan: expected images that the layers take, got \(1, 32, 32\)"):
        method((1, 32, 32))
    with pytest.raises(ValueError, match="input_shape of at least 1, got 0"):
        method((1, 0, 28))
    with pytest.raises(TypeError, match="input_shape to be an integer, got 28.0"):
        method((1, 28.0, 28))


def test_an_empty_net_gives_back_what_it_gets(rng: np.random.Generator):
    net, x = nn.Sequential(), rng.random((2, 3), np.float32)
    assert net.summary(3).output_shape == (3,)
    assert np.array_equal(net(x), x)
