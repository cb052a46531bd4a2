"""All parameters of a net lie in one buffer, and every view of them is live."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from convlet import nn, optim

LOSS = nn.CrossEntropyLoss()


def small() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1, 3, 3, seed=1), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 4 * 4, 5, seed=2))


def images(rng: np.random.Generator, count: int = 4) -> np.ndarray:
    return rng.random((count, 1, 6, 6), np.float32)


def address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


def one_after_the_other(arrays: list[np.ndarray]) -> bool:
    ends = [address(array) + array.nbytes for array in arrays]
    return all(array.flags.c_contiguous for array in arrays) and ends[:-1] == [address(a) for a in arrays[1:]]


def test_parameters_lie_in_layer_order_in_one_buffer_on_a_cache_line():
    parameters = nn.LeNet().parameters()
    assert list(parameters) == [f"{n}.{key}" for n in (0, 3, 7, 9, 11) for key in ("weight", "bias")]
    arrays = list(parameters.values())
    assert one_after_the_other(arrays)
    assert address(arrays[0]) % 64 == 0
    assert all(array.dtype == np.float32 and array.flags.writeable for array in arrays)


def test_a_layer_and_its_net_show_the_same_array():
    net = small()
    for n in (0, 3):
        assert net.parameters()[f"{n}.weight"] is net[n].weight
        assert net.parameters()[f"{n}.bias"] is net[n].bias


@pytest.mark.parametrize(
    "write",
    [
        lambda net: net[0].weight.__setitem__(..., 0.25),
        lambda net: net.parameters()["0.weight"].fill(0.25),
        lambda net: setattr(net[0], "weight", np.full((3, 1, 3, 3), 0.25)),
        lambda net: net.parameters().__setitem__("0.weight", np.full((3, 1, 3, 3), 0.25)),
        lambda net: net.parameters().update({"0.weight": np.full((3, 1, 3, 3), 0.25)}),
        lambda net: net[:2].parameters()["0.weight"].fill(0.25),
    ],
    ids=["in place", "by name", "by attribute", "by item", "by update", "through a slice"],
)
def test_a_write_is_seen_by_the_next_call(write, rng: np.random.Generator):
    net, x = small(), images(rng)
    before = net(x)
    write(net)
    assert (net[0].weight == 0.25).all()
    expected = small()
    expected.load_state_dict(net.state_dict())
    assert np.array_equal(net(x), expected(x))
    assert not np.array_equal(net(x), before)


def test_arithmetic_in_place_on_items_updates_the_net(rng: np.random.Generator):
    net, x, y = small(), images(rng), np.array([0, 1, 2, 3])
    by_hand = copy.deepcopy(net)
    _, gradients = net.loss_and_gradients(x, y, LOSS)
    parameters = by_hand.parameters()
    for name in parameters:
        parameters[name] -= np.float32(0.5) * gradients[name]
    optim.SGD(0.5).step(net.parameters(), gradients)
    for name, array in net.parameters().items():
        np.testing.assert_allclose(by_hand.parameters()[name], array, rtol=1e-6, atol=1e-7)


def test_writes_of_another_shape_or_name_or_type_are_refused():
    net = small()
    before = net.state_dict()
    with pytest.raises(ValueError, match=r"Conv2d: expected weight of shape \(3, 1, 3, 3\), got \(3, 3\)"):
        net[0].weight = np.zeros((3, 3))
    with pytest.raises(ValueError, match=r"expected 3\.bias of shape \(5,\), got \(\)"):
        net.parameters()["3.bias"] = 1
    with pytest.raises(TypeError, match="Linear: expected real numbers for bias, got dtype complex128"):
        net[3].bias = np.zeros(5) * 1j
    with pytest.raises(KeyError, match="expected one of 0.weight, 0.bias, 3.weight, 3.bias, got 4.weight"):
        net.parameters()["4.weight"] = np.zeros(5)
    with pytest.raises(ValueError, match="Linear: expected no bias in a layer with bias=False, got one"):
        nn.Linear(2, 3, bias=False).bias = np.zeros(3)
    assert all(np.array_equal(before[name], array) for name, array in net.parameters().items())


def test_copies_of_the_parameters_are_plain_and_independent():
    net = small()
    for copied in (copy.copy(net.parameters()), net.parameters().copy(), copy.deepcopy(net.parameters())):
        assert type(copied) is dict
        assert list(copied) == list(net.parameters())
    assert not np.shares_memory(copy.deepcopy(net.parameters())["0.weight"], net[0].weight)


def test_what_a_layer_held_moves_into_the_net_and_the_old_array_takes_no_more_writes():
    layer = nn.Linear(3, 2)
    old = layer.weight
    old[...] = [[1, 2, 3], [4, 5, 6]]
    net = nn.Sequential(layer, nn.ReLU(), nn.Linear(2, 2))
    assert net[0].weight.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert net.parameters()["0.weight"] is layer.weight
    with pytest.raises(ValueError, match="read-only"):
        old[0, 0] = 7


def test_the_same_layers_in_a_second_net_stay_where_they_are():
    net = small()
    held = net.parameters()
    ended = nn.Sequential(*net, nn.Softmax(dim=1))
    assert all(ended.parameters()[name] is array for name, array in held.items())
    assert held["0.weight"].flags.writeable


def test_nested_nets_end_up_in_one_buffer_and_follow_it():
    inner = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 3))
    net = nn.Sequential(nn.Linear(5, 4), inner, nn.Linear(3, 2))
    assert list(net.parameters()) == [
        f"{n}.{k}" for n in ("0", "1.0", "1.2", "2") for k in ("weight", "bias")
    ]
    assert one_after_the_other(list(net.parameters().values()))
    inner[0].weight[...] = 5
    assert (net.parameters()["1.0.weight"] == 5).all()
    _, live = inner.structure.slots.gather()
    assert live


def test_slices_are_live_views_without_a_copy(rng: np.random.Generator):
    net, x = small(), images(rng)
    held = net[0].weight
    for part in (net[:2], net[2:], net[1:], net[:], net[-1:]):
        _, live = part.structure.slots.gather()
        assert live
    assert net[0].weight is held
    assert held.flags.writeable
    np.testing.assert_allclose(net[2:](net[:2](x)), net(x), rtol=1e-6, atol=1e-7)


def test_a_layer_in_a_second_net_is_shared_and_stays_live_in_both(rng: np.random.Generator):
    first, x = small(), images(rng)
    held = first.parameters()
    second = nn.Sequential(*first[:3], nn.Linear(48, 2, seed=3))
    assert second[0] is first[0]
    assert held["0.weight"] is first[0].weight
    held["0.weight"][...] = 0.5
    logits = second(x)
    second[0].bias += 1
    assert not np.array_equal(second(x), logits)
    assert (first.parameters()["0.bias"] == second.parameters()["0.bias"]).all()
    with second.flat_parameters() as flat:
        assert flat.shape == (second.parameter_count,)
        flat[:] = np.arange(flat.size)
    assert first[0].weight.ravel().tolist() == list(range(27))
    assert second[3].bias.tolist() == [126, 127]


def test_flat_parameters_are_the_live_buffer():
    net = small()
    with net.flat_parameters() as flat:
        assert flat.shape == (net.parameter_count,)
        assert np.shares_memory(flat, net[0].weight)
        flat[:] = np.arange(flat.size)
    assert net[0].bias.tolist() == [27, 28, 29]
    with nn.Sequential(nn.ReLU()).flat_parameters() as flat:
        assert flat.shape == (0,)


def test_every_order_of_shared_layers_computes_the_same(rng: np.random.Generator):
    a, b = nn.Linear(3, 3, seed=1), nn.Linear(3, 3, seed=2)
    forward, x = nn.Sequential(a, nn.Tanh(), b), rng.random((5, 3), np.float32)
    backward = nn.Sequential(b, nn.Tanh(), a)
    turned = forward[::-1]
    assert np.array_equal(turned(x), backward(x))
    expected = np.tanh(x @ b.weight.T + b.bias) @ a.weight.T + a.bias
    np.testing.assert_allclose(backward(x), expected, rtol=1e-5, atol=1e-6)
    _, gradients = turned.loss_and_gradients(x, np.array([0, 1, 2, 0, 1]), LOSS)
    assert list(gradients) == ["2.weight", "2.bias", "0.weight", "0.bias"]


def test_no_weight_is_drawn_before_it_is_needed():
    net = nn.Sequential(nn.Flatten(), nn.Linear(2**31 - 1, 2**20))
    assert net.parameter_count == 2**20 * 2**31
    assert "Linear(in_features=2147483647" in repr(net)
