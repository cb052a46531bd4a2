"""The engine against a walk that shares no code with it: float64 oracles, layer by layer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from convlet import nn, reference
from networks import NETWORKS, Network, random_network
from oracle import activation, avg_pool2d, conv2d, cross_entropy, linear, max_pool2d, softmax
from tolerances import relative_to_largest

Array = np.ndarray

LIMIT = 2e-5
"""Of the largest value of a tensor: some ten layers of float32 roundings."""


def window(spec: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: spec[name] for name in ("stride", "padding", "dilation", *names)}


def averaging(spec: dict[str, Any]) -> dict[str, Any]:
    return window(spec, "ceil_mode", "count_include_pad") | {
        "divisor_override": spec["divisor_override"] or None
    }


def forward(spec: dict[str, Any], x: Array, parameters: list[Array]) -> Array:
    """One layer, described as the engine gets it."""
    match spec["kind"]:
        case "conv2d":
            weight, bias = parameters[0], parameters[1] if spec["bias"] else None
            return conv2d.forward(x, weight, bias, **window(spec, "groups"))
        case "max_pool2d":
            return max_pool2d.forward(x, spec["kernel"], **window(spec, "ceil_mode"))[0]
        case "avg_pool2d":
            return avg_pool2d.forward(x, spec["kernel"], **averaging(spec))
        case "linear":
            return linear.forward(x, parameters[0], parameters[1] if spec["bias"] else None)
        case "flatten":
            return x.reshape(len(x), int(np.prod(x.shape[1:])))
        case "softmax":
            return softmax.forward(x, 1)
        case "log_softmax":
            return softmax.log_forward(x, 1)
        case name:
            return activation.forward(name, x)


def backward(
    spec: dict[str, Any], dy: Array, x: Array, y: Array, parameters: list[Array]
) -> tuple[Array, ...]:
    """The gradients of its input, weight and bias, as far as it has them."""
    match spec["kind"]:
        case "conv2d":
            return conv2d.backward(dy, x, parameters[0], **window(spec, "groups"))[: 2 + spec["bias"]]
        case "max_pool2d":
            return (max_pool2d.backward(dy, x, spec["kernel"], **window(spec, "ceil_mode")),)
        case "avg_pool2d":
            return (avg_pool2d.backward(dy, x, spec["kernel"], **averaging(spec)),)
        case "linear":
            return linear.backward(dy, x, parameters[0])[: 2 + spec["bias"]]
        case "flatten":
            return (dy.reshape(x.shape),)
        case "softmax":
            return (softmax.backward(dy, y, 1),)
        case "log_softmax":
            return (softmax.log_backward(dy, y, 1),)
        case name:
            return (activation.backward(name, dy, y),)


def walk(net: nn.Sequential, x: Array, labels: Array) -> tuple[Array, float, list[Array]]:
    """Logits, mean loss and all gradients in the order of the parameters."""
    specs, rest = [op.spec() for op in net.ops().values()], list(net.parameters().values())
    own, inputs = [], [x]
    for spec in specs:
        count = 1 + spec["bias"] if "bias" in spec else 0
        own.append(rest[:count])
        rest = rest[count:]
        inputs.append(forward(spec, inputs[-1], own[-1]))
    gradients: list[Array] = []
    dy = cross_entropy.backward(inputs[-1], labels)
    for n in reversed(range(len(specs))):
        dy, *slopes = backward(specs[n], dy, inputs[n], inputs[n + 1], own[n])
        gradients[:0] = slopes
    return inputs[-1], float(cross_entropy.forward(inputs[-1], labels)), gradients


@pytest.mark.parametrize("network", [*NETWORKS, *map(random_network, range(30))], ids=lambda n: n.name)
@pytest.mark.parametrize("batch", [1, 19])
def test_loss_and_gradients_follow_the_oracles(network: Network, batch: int, isa: str):
    net, (images, labels) = network.make(), network.data(batch)
    logits, value, expected = walk(net, images / 255, labels)
    assert relative_to_largest(net(images), logits) <= LIMIT
    loss, gradients = net.loss_and_gradients(images, labels, nn.CrossEntropyLoss())
    assert abs(loss - value) <= LIMIT * value
    assert list(gradients) == list(net.parameters())
    for (name, gradient), wanted in zip(gradients.items(), expected, strict=True):
        assert relative_to_largest(gradient, wanted) <= LIMIT, name


@pytest.mark.parametrize("batch", [1, 5, 16, 17])
def test_lanes_without_an_image_stay_out_of_the_gradients(batch: int, isa: str):
    """Under an infinite weight a slope of zero becomes NaN, and a spare lane's slope is zero."""
    net = nn.Sequential(nn.Linear(3, 4), nn.Sigmoid(), nn.Linear(4, 3)).initialize("pytorch", 0)
    net.parameters()["2.weight"][0, :] = -np.inf
    x, y, loss = np.ones((batch, 3), np.float32), np.zeros(batch, np.int64), nn.CrossEntropyLoss()
    _, gradients = net.loss_and_gradients(x, y, loss)
    _, expected = reference.loss_and_gradients(net, x, y, loss)
    for name, gradient in gradients.items():
        np.testing.assert_array_equal(gradient, expected[name])
    assert np.isinf(gradients["0.bias"]).all()
