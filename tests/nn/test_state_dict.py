"""Weights move in and out by name, through memory and files, to PyTorch and back."""

from __future__ import annotations

import numpy as np
import pytest

from convlet import nn


def small(seed: int = 0) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 3)).initialize("pytorch", seed)


def torch_lenet(torch):
    make = torch.nn
    return make.Sequential(
        make.Conv2d(1, 6, 5, padding=2), make.Sigmoid(), make.AvgPool2d(2, 2),
        make.Conv2d(6, 16, 5), make.Sigmoid(), make.AvgPool2d(2, 2), make.Flatten(),
        make.Linear(400, 120), make.Sigmoid(), make.Linear(120, 84), make.Sigmoid(), make.Linear(84, 10),
    )  # fmt: skip


def test_a_state_is_a_copy_that_later_training_leaves_alone():
    net = small()
    state = net.state_dict()
    assert type(state) is dict
    assert list(state) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    before = {name: array.copy() for name, array in state.items()}
    net[0].weight += 1
    assert all(np.array_equal(state[name], array) for name, array in before.items())
    keys = net.load_state_dict(state)
    assert keys == ([], [])
    assert np.array_equal(net[0].weight, before["0.weight"])


def test_states_are_written_into_the_live_arrays():
    net, other = small(0), small(1)
    held = net[2].weight
    net.load_state_dict(other.state_dict())
    assert net[2].weight is held
    assert np.array_equal(held, other[2].weight)


def test_values_of_any_real_type_and_layout_are_taken():
    net = small()
    state = {
        name: np.asfortranarray(array.astype(np.float64)) for name, array in small(1).state_dict().items()
    }
    state["2.bias"] = [1, 2, 3]
    net.load_state_dict(state)
    assert net[2].bias.tolist() == [1, 2, 3]
    assert np.array_equal(net[0].weight, small(1)[0].weight)


def test_the_books_class_puts_net_before_its_keys():
    net, state = small(0), small(1).state_dict()
    net.load_state_dict({f"net.{name}": array for name, array in state.items()})
    assert np.array_equal(net[0].weight, state["0.weight"])
    named = nn.Sequential({"net": nn.Linear(2, 2)})
    named.load_state_dict({"net.weight": np.ones((2, 2)), "net.bias": np.ones(2)})
    assert (named[0].weight == 1).all()


def test_everything_wrong_is_told_at_once_and_nothing_is_written():
    net = small()
    before = net.state_dict()
    state = {
        "0.weight": np.ones((2, 1, 3, 3)),
        "0.bias": np.ones(5),
        "2.weight": np.ones(8),
        "3.bias": 0,
        "x": 0,
    }
    with pytest.raises(ValueError, match="^load_state_dict: ") as caught:
        net.load_state_dict(state)
    for part in (
        "expected 0.bias of shape (2,), got (5,)",
        "expected 2.weight of shape (3, 8), got (8,)",
        "missing 2.bias",
        "unexpected 3.bias, x",
    ):
        assert part in str(caught.value)
    assert all(np.array_equal(array, before[name]) for name, array in net.parameters().items())
    with pytest.raises(TypeError, match="expected a dict of arrays by name, got list"):
        net.load_state_dict([])
    with pytest.raises(TypeError, match="expected real numbers for 0.bias, got dtype complex128"):
        net.load_state_dict(before | {"0.bias": np.ones(2) * 1j})


def test_what_is_there_is_loaded_where_strictness_is_off():
    net = small()
    keys = net.load_state_dict({"2.bias": np.arange(3), "head": np.ones(1)}, strict=False)
    assert keys.missing_keys == ["0.weight", "0.bias", "2.weight"]
    assert keys.unexpected_keys == ["head"]
    assert net[2].bias.tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match=r"expected 2\.bias of shape \(3,\), got \(4,\)"):
        net.load_state_dict({"2.bias": np.arange(4)}, strict=False)


def test_single_layers_have_states_too():
    layer = nn.Conv2d(1, 2, 3)
    assert list(layer.state_dict()) == ["weight", "bias"]
    layer.load_state_dict({"weight": np.ones((2, 1, 3, 3)), "bias": np.zeros(2)})
    assert layer(np.ones((1, 1, 3, 3))).ravel().tolist() == [9, 9]


@pytest.mark.torch
def test_weights_move_both_ways_with_the_same_logits(rng: np.random.Generator):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    theirs, mine = torch_lenet(torch), nn.LeNet()
    x = rng.random((8, 1, 28, 28), np.float32)
    mine.load_state_dict(theirs.state_dict())
    with torch.no_grad():
        np.testing.assert_allclose(mine(x), theirs(torch.tensor(x)).numpy(), rtol=0, atol=1e-5)
    mine.initialize("xavier_uniform", 1)
    theirs.load_state_dict({name: torch.tensor(array) for name, array in mine.state_dict().items()})
    with torch.no_grad():
        np.testing.assert_allclose(mine(x), theirs(torch.tensor(x)).numpy(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.npz"])
def test_files_hold_the_same_bits(name: str, tmp_path):
    net, other = small(0), small(1)
    net.save(tmp_path / name, {"note": "a test"})
    assert other.load(tmp_path / name) == ([], [])
    assert all(
        np.array_equal(a, b)
        for a, b in zip(net.parameters().values(), other.parameters().values(), strict=True)
    )
    with pytest.raises(ValueError, match="load_state_dict: missing 1.weight, 1.bias; unexpected .*2.bias"):
        nn.Sequential(nn.Flatten(), nn.Linear(8, 3)).load(tmp_path / name)


@pytest.mark.torch
def test_files_are_read_by_the_safetensors_of_torch(tmp_path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file, save_file

    net, theirs = nn.LeNet(seed=1), torch_lenet(torch)
    net.save(tmp_path / "mine.safetensors")
    theirs.load_state_dict(load_file(tmp_path / "mine.safetensors"))
    assert np.array_equal(theirs[11].weight.detach().numpy(), net[11].weight)
    save_file(torch_lenet(torch).state_dict(), tmp_path / "theirs.safetensors")
    assert net.load(tmp_path / "theirs.safetensors") == ([], [])
