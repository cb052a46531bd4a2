"""Layers that learn the size of their input from the first images."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from convlet import Trainer, datasets, nn, optim


def lazy_lenet() -> nn.Sequential:
    """As the newer edition of the book writes it."""
    return nn.Sequential(
        nn.LazyConv2d(6, kernel_size=5, padding=2),
        nn.Sigmoid(),
        nn.AvgPool2d(kernel_size=2, stride=2),
        nn.LazyConv2d(16, kernel_size=5),
        nn.Sigmoid(),
        nn.AvgPool2d(kernel_size=2, stride=2),
        nn.Flatten(),
        nn.LazyLinear(120),
        nn.Sigmoid(),
        nn.LazyLinear(84),
        nn.Sigmoid(),
        nn.LazyLinear(10),
    )


@pytest.fixture
def images(rng: np.random.Generator) -> np.ndarray:
    return rng.random((3, 1, 28, 28), np.float32)


@pytest.mark.parametrize("first", ["call", "one image", "summary", "predict", "walk", "gradients"])
def test_a_lazy_net_becomes_the_net_that_it_stands_for(first: str, images: np.ndarray):
    net, lenet = lazy_lenet(), nn.LeNet(seed=0)
    if first == "call":
        assert net(images).shape == (3, 10)
    elif first == "one image":
        assert net(images[0]).shape == (10,)
    elif first == "summary":
        assert net.summary((1, 28, 28)) == lenet.summary((1, 28, 28))
    elif first == "predict":
        assert net.predict(images).shape == (3,)
    elif first == "gradients":
        assert net.loss_and_gradients(images, [0, 1, 2])[1].keys() == lenet.parameters().keys()
    else:
        x = images
        names = []
        for layer in net:
            x = layer(x)
            names.append(layer.__class__.__name__)
        assert names == [type(layer).__name__ for layer in lenet]
    assert repr(net).replace("Sequential", "LeNet") == repr(lenet)
    net.load_state_dict(lenet.state_dict())
    np.testing.assert_array_equal(net(images), lenet(images))
    with net.flat_parameters() as parameters:  # one live buffer, as in every net
        assert np.shares_memory(parameters, net[0].weight)
        assert np.shares_memory(parameters, net[11].bias)


def test_a_lazy_net_trains():
    digits, net, lenet = datasets.Digits(size=200), lazy_lenet(), nn.LeNet(seed=0)
    net.plan((1, 28, 28))
    net.load_state_dict(lenet.state_dict())
    for one in (net, lenet):
        Trainer(one, optim.SGD(0.5), nn.CrossEntropyLoss()).fit(digits, epochs=2, batch_size=50)
    for name, weight in lenet.state_dict().items():
        np.testing.assert_array_equal(net.state_dict()[name], weight)
    fresh = lazy_lenet()
    Trainer(fresh, optim.SGD(0.5), nn.CrossEntropyLoss()).fit(digits, epochs=1)
    assert fresh.parameter_count == 61_706


def test_seeds_draw_the_same_weights():
    lazy = nn.LazyConv2d(4, 3, seed=7)
    lazy(np.zeros((1, 2, 5, 5)))
    np.testing.assert_array_equal(lazy.weight, nn.Conv2d(2, 4, 3, seed=7).weight)
    assert type(lazy) is nn.Conv2d


def test_nested_nets_and_parts_settle(images: np.ndarray):
    inner = nn.Sequential(nn.LazyConv2d(2, 3), nn.ReLU())
    net = nn.Sequential(inner, nn.Flatten(), nn.LazyLinear(5))
    assert net[:1](images).shape == (3, 2, 26, 26)
    assert type(inner[0]) is nn.Conv2d
    assert net(images).shape == (3, 5)
    assert net.parameter_count == 20 + 2 * 26 * 26 * 5 + 5


@pytest.mark.parametrize(
    "ask",
    [
        lambda net: net.parameters(),
        lambda net: net.state_dict(),
        lambda net: net.initialize("d2l"),
        lambda net: net[0].weight,
        lambda net: net.parameter_count,
    ],
)
def test_before_the_first_images_there_are_no_parameters(ask):
    net = lazy_lenet()
    with pytest.raises(ValueError, match="LazyConv2d: expected to see input before its parameters are asked"):
        ask(net)
    with pytest.raises(AttributeError, match="LazyConv2d has no in_channels before it has seen input"):
        _ = net[0].in_channels


def test_images_that_do_not_fit_settle_nothing():
    net = lazy_lenet()
    with pytest.raises(
        ValueError, match=r"Sequential: expected images that the layers take, got \(1, 6, 6\)"
    ):
        net(np.zeros((1, 1, 6, 6)))
    assert isinstance(net[0], nn.LazyConv2d)
    with pytest.raises(ValueError, match="for lazy layers"):
        net(np.zeros((1, 1, 28, 28, 1)))
    with pytest.raises(ValueError, match="expected x with two axes or more"):
        net[0](np.zeros(3))


def test_arguments_are_checked_at_once():
    with pytest.raises(ValueError, match="Conv2d: expected out_channels of at least 1, got 0"):
        nn.LazyConv2d(0, 5)
    with pytest.raises(TypeError, match="Linear: expected out_features to be an integer"):
        nn.LazyLinear(2.5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="groups that divide"):
        nn.LazyConv2d(3, 5, groups=2)


def test_copies_are_lazy_too(images: np.ndarray):
    net = lazy_lenet()
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert repr(other) == repr(net)
        assert other(images).shape == (3, 10)
    assert isinstance(net[0], nn.LazyConv2d)
    net(images)
    assert copy.deepcopy(net)(images).tolist() == net(images).tolist()


def test_it_shows_what_it_was_made_with():
    assert repr(nn.LazyLinear(10)) == "LazyLinear(out_features=10, bias=True)"
    html = lazy_lenet()._repr_html_()
    assert "LazyConv2d(out_channels=6, kernel_size=5, stride=1, padding=2" in html
