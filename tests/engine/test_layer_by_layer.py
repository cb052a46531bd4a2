"""The engine gives what a walk through the same layers gives, one op at a time."""

from __future__ import annotations

import numpy as np
import pytest

from convlet import nn, reference
from networks import EXTRAS, LENET, NETWORKS, Network, random_network
from tolerances import assert_same_bits, assert_same_bits_by_name

BATCHES = (1, 2, 15, 16, 17, 96, 256, 257)

LOSSES = {
    "mean": nn.CrossEntropyLoss(),
    "sum": nn.CrossEntropyLoss(reduction="sum"),
    "smoothed": nn.CrossEntropyLoss(label_smoothing=0.1),
}


@pytest.mark.parametrize("network", NETWORKS + EXTRAS, ids=lambda n: n.name)
@pytest.mark.parametrize("kind", ["uint8", "float32"])
def test_engine_forward_equals_layer_by_layer(network: Network, kind: str, isa: str):
    net = network.make()
    for batch in BATCHES:
        images, _ = network.data(batch, kind, seed=batch)
        assert_same_bits(net(images), reference.forward(net, images), f"batch {batch}")


@pytest.mark.parametrize("network", NETWORKS + EXTRAS, ids=lambda n: n.name)
@pytest.mark.parametrize("kind", ["uint8", "float32"])
def test_engine_step_equals_layer_by_layer(network: Network, kind: str, isa: str):
    net, loss = network.make(), nn.CrossEntropyLoss()
    for batch in BATCHES:
        images, labels = network.data(batch, kind, seed=batch)
        value, gradients = net.loss_and_gradients(images, labels, loss, seed=2, step=batch)
        expected_value, expected = reference.loss_and_gradients(net, images, labels, loss, 2, batch)
        assert_same_bits_by_name(gradients, expected, f"batch {batch}, gradient of")
        assert_same_bits(np.float32(value), np.float32(expected_value), f"batch {batch}, loss")


@pytest.mark.parametrize("seed", range(100, 140))
def test_random_nets_equal_layer_by_layer(seed: int, isa: str):
    network, loss = random_network(seed), nn.CrossEntropyLoss()
    net, (images, labels) = network.make(), network.data(1 + 7 * (seed % 6), ("uint8", "float32")[seed % 2])
    assert_same_bits(net(images), reference.forward(net, images), "logits")
    value, gradients = net.loss_and_gradients(images, labels, loss)
    expected_value, expected = reference.loss_and_gradients(net, images, labels, loss)
    assert_same_bits_by_name(gradients, expected, "gradient of")
    assert_same_bits(np.float32(value), np.float32(expected_value), "loss")


def test_pixels_that_no_window_covers_have_the_gradient_of_layer_by_layer(isa: str):
    """0 times the derivative of NaN is NaN."""
    net = nn.Sequential(
        nn.Conv2d(1, 2, 1), nn.Tanh(), nn.AvgPool2d(1, 2), nn.Flatten(), nn.Linear(2 * 2 * 2, 3)
    ).initialize("pytorch", 0)
    net[0].weight[1] = np.nan
    images, labels = np.ones((17, 1, 3, 3), np.float32), np.arange(17) % 3
    _, gradients = net.loss_and_gradients(images, labels, nn.CrossEntropyLoss())
    _, expected = reference.loss_and_gradients(net, images, labels, nn.CrossEntropyLoss())
    for name, gradient in gradients.items():
        assert np.array_equal(np.isnan(gradient), np.isnan(expected[name])), name
    assert np.isnan(gradients["0.weight"][1]).all()


@pytest.mark.parametrize("seed", range(40))
def test_what_is_no_number_spreads_as_layer_by_layer(seed: int, isa: str, rng: np.random.Generator):
    """NaN and infinity in weights and pixels: padding and spare lanes must not turn them into more."""
    network = random_network(seed)
    net, (images, labels) = network.make(), network.data((1, 5, 17)[seed % 3], "float32")
    for array in [images, *net.parameters().values()]:
        if rng.integers(2):
            array.reshape(-1)[rng.integers(array.size)] = rng.choice([np.nan, np.inf, -np.inf])
    np.testing.assert_array_equal(net(images), reference.forward(net, images))
    _, gradients = net.loss_and_gradients(images, labels, nn.CrossEntropyLoss())
    _, expected = reference.loss_and_gradients(net, images, labels, nn.CrossEntropyLoss())
    for name, wanted in expected.items():
        np.testing.assert_array_equal(gradients[name], wanted, err_msg=name)


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_equals_layer_by_layer(name: str, isa: str):
    net, (images, labels) = LENET.make(), LENET.data(33)
    value, gradients = net.loss_and_gradients(images, labels, LOSSES[name])
    expected_value, expected = reference.loss_and_gradients(net, images, labels, LOSSES[name])
    assert_same_bits_by_name(gradients, expected, "gradient of")
    assert_same_bits(np.float32(value), np.float32(expected_value), "loss")


def test_weighted_and_ignored_classes_equal_layer_by_layer(isa: str):
    weight = np.linspace(0.5, 2, 10, dtype=np.float32)
    net, (images, labels) = LENET.make(), LENET.data(33)
    loss = nn.CrossEntropyLoss(weight=weight, ignore_index=3)
    value, gradients = net.loss_and_gradients(images, labels, loss)
    expected_value, expected = reference.loss_and_gradients(net, images, labels, loss)
    assert_same_bits_by_name(gradients, expected, "gradient of")
    assert_same_bits(np.float32(value), np.float32(expected_value), "loss")


@pytest.mark.parametrize("network", NETWORKS + EXTRAS, ids=lambda n: n.name)
def test_every_image_gets_the_logits_that_it_gets_alone(network: Network, isa: str):
    net, (images, _) = network.make(), network.data(33)
    together = net(images)
    for i in range(len(images)):
        assert_same_bits(together[i : i + 1], net(images[i : i + 1]), f"image {i}")


def test_no_images_give_no_logits():
    assert LENET.make()(np.zeros((0, 1, 28, 28), np.uint8)).shape == (0, 10)


def test_bytes_and_their_fractions_of_255_are_the_same_images(isa: str):
    net, (images, _) = LENET.make(), LENET.data(40)
    fractions = images.astype(np.float32) / np.float32(255)
    np.testing.assert_array_equal(net(images), net(fractions))
    every = np.tile(np.arange(256, dtype=np.uint8), (17, 1)).reshape(17, 1, 16, 16)
    scaled = every.reshape(17, 256).astype(np.float32) / np.float32(255)
    np.testing.assert_array_equal(nn.Sequential(nn.Flatten())(every), scaled)
