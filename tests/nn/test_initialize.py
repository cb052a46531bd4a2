"""First weights: their distributions, their seeds, their order."""

from __future__ import annotations

import math

import numpy as np
import pytest

from convlet import nn

# (in, out, fan_in, fan_out) of a dense layer and of a convolution with a 5x5 kernel
LAYERS = {
    "dense": (lambda: nn.Linear(300, 500), 300, 500),
    "convolution": (lambda: nn.Conv2d(20, 60, 5), 500, 1500),
    "in groups": (lambda: nn.Conv2d(60, 120, 5, groups=3), 500, 3000),
}
BOUNDS = {
    "pytorch": lambda fan_in, fan_out: 1 / math.sqrt(fan_in),
    "d2l": lambda fan_in, fan_out: math.sqrt(6 / (fan_in + fan_out)),
    "xavier_uniform": lambda fan_in, fan_out: math.sqrt(6 / (fan_in + fan_out)),
    "kaiming_uniform": lambda fan_in, fan_out: math.sqrt(6 / fan_in),
}
DEVIATIONS = {
    "xavier_normal": lambda fan_in, fan_out: math.sqrt(2 / (fan_in + fan_out)),
    "kaiming_normal": lambda fan_in, fan_out: math.sqrt(2 / fan_in),
}


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("scheme", BOUNDS)
def test_uniform_schemes_fill_their_interval_evenly(layer: str, scheme: str):
    make, fan_in, fan_out = LAYERS[layer]
    made, bound = make().initialize(scheme, 0), BOUNDS[scheme](fan_in, fan_out)
    assert abs(made.weight).max() <= bound
    share, _ = np.histogram(made.weight / np.float32(bound), bins=10, range=(-1, 1))
    assert share.min() > 0.095 * made.weight.size
    if scheme in ("pytorch", "d2l"):
        limit = 1 / math.sqrt(fan_in)
        assert 0.9 * limit < abs(made.bias).max() <= limit
    else:
        assert not made.bias.any()


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("scheme", DEVIATIONS)
def test_normal_schemes_have_their_deviation(layer: str, scheme: str):
    make, fan_in, fan_out = LAYERS[layer]
    made, deviation = make().initialize(scheme, 0), DEVIATIONS[scheme](fan_in, fan_out)
    scaled = made.weight / deviation
    assert abs(scaled.mean()) < 5 / math.sqrt(scaled.size)
    assert abs(scaled.std() - 1) < 5 / math.sqrt(2 * scaled.size)
    assert abs((scaled**4).mean() - 3) < 0.2
    assert not made.bias.any()


@pytest.mark.torch
@pytest.mark.parametrize("layer", LAYERS)
def test_defaults_are_distributed_as_in_torch(layer: str):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    mine = LAYERS[layer][0]()
    if isinstance(mine, nn.Linear):
        theirs = torch.nn.Linear(mine.in_features, mine.out_features)
    else:
        theirs = torch.nn.Conv2d(mine.in_channels, mine.out_channels, mine.kernel_size, groups=mine.groups)
    for name in ("weight", "bias"):
        ours, other = getattr(mine, name), getattr(theirs, name).detach().numpy()
        assert ours.shape == other.shape
        largest = abs(other).max()
        assert abs(ours).max() == pytest.approx(largest, rel=0.05)
        assert ours.std() == pytest.approx(other.std(), rel=0.25)  # 60 biases spread by about 6 %


def test_seeds_repeat_and_their_absence_does_not():
    assert np.array_equal(nn.Linear(5, 4, seed=7).weight, nn.Linear(5, 4, seed=7).weight)
    assert not np.array_equal(nn.Linear(5, 4, seed=7).weight, nn.Linear(5, 4, seed=8).weight)
    assert not np.array_equal(nn.Linear(5, 4).weight, nn.Linear(5, 4).weight)
    first, second = nn.LeNet().initialize("d2l", 3), nn.LeNet().initialize("d2l", 3)
    assert all(
        np.array_equal(a, b)
        for a, b in zip(first.parameters().values(), second.parameters().values(), strict=True)
    )
    assert not np.array_equal(first[0].weight, nn.LeNet().initialize("d2l")[0].weight)


def test_one_generator_draws_all_layers_in_order_weight_before_bias():
    net = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 4)).initialize(
        "pytorch", np.random.default_rng(5)
    )
    rng = np.random.default_rng(5)
    for layer in (net[0], net[2]):
        bound = 1 / math.sqrt(layer.in_features)
        for array in (layer.weight, layer.bias):
            drawn = (2 * rng.random(array.shape, np.float32) - 1) * bound
            np.testing.assert_allclose(array, drawn, rtol=1e-6, atol=1e-7)


def test_the_same_numbers_come_out_on_every_machine():
    """Pinned: a recipe of a published run must not change under its readers."""
    weight = nn.LeNet().initialize("d2l", 0)[0].weight
    bound = math.sqrt(6 / (25 + 150))
    drawn = 2 * bound * np.array([0.8506242, 0.63696164, 0.5111365]) - bound
    np.testing.assert_allclose(weight.ravel()[:3], drawn, rtol=1e-4)


def test_initialising_writes_into_the_live_arrays_and_leaves_numpys_own_generator_alone():
    net = nn.LeNet()
    held, state = net[0].weight, np.random.get_state()[1].copy()  # noqa: NPY002
    assert net.initialize("kaiming_normal", 1) is net
    assert net[0].weight is held
    assert np.array_equal(state, np.random.get_state()[1])  # noqa: NPY002


def test_bad_schemes_and_seeds_are_refused():
    net = nn.LeNet()
    with pytest.raises(
        ValueError, match="initialize: expected scheme to be one of pytorch, d2l, .*, got 'he'"
    ):
        net.initialize("he")
    with pytest.raises(TypeError, match="expected scheme to be one of"):
        net.initialize(3)
    with pytest.raises(ValueError, match="expected seed of at least 0, got -1"):
        net.initialize("d2l", -1)
    with pytest.raises(TypeError, match="expected seed to be an integer, got 1.5"):
        net.initialize("d2l", 1.5)
    with pytest.raises(ValueError, match="Linear: expected seed of at least 0, got -1"):
        nn.Linear(1, 1, seed=-1)
