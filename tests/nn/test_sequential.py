"""The container: what is in it, under which names, and how it is copied."""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict

import numpy as np
import pytest

from convlet import nn


def nested() -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(4, 6), nn.Sequential(nn.Tanh(), nn.Linear(6, 5), nn.Sequential()), nn.Linear(5, 3)
    )


def test_index_length_and_iteration():
    layers = [nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 4)]
    net = nn.Sequential(*layers)
    assert len(net) == 3
    assert list(net) == layers
    assert [net[n] for n in range(3)] == layers == [net[n] for n in (-3, -2, -1)]
    assert net[np.int64(1)] is layers[1]
    for wrong in (3, -4):
        with pytest.raises(IndexError, match=f"expected an index into 3 layers, got {wrong}"):
            net[wrong]
    with pytest.raises(TypeError):
        net["0"]


def test_slices_keep_their_layers_and_names():
    net = nn.LeNet()
    part = net[7:]
    assert type(part) is nn.Sequential
    assert list(part) == list(net)[7:]
    assert list(part.parameters()) == ["7.weight", "7.bias", "9.weight", "9.bias", "11.weight", "11.bias"]
    assert len(net[20:]) == 0
    assert list(net[::-1]) == list(net)[::-1]


def test_layers_by_name_as_in_torch():
    net = nn.Sequential(OrderedDict(features=nn.Sequential(nn.Conv2d(1, 2, 3)), head=nn.Flatten()))
    assert list(net.parameters()) == ["features.0.weight", "features.0.bias"]
    assert net.features[0] is net[0][0]
    assert net.head is net[1]
    with pytest.raises(AttributeError, match="neither an attribute nor a layer 'tail'"):
        _ = net.tail


def test_append_adds_under_the_next_free_number():
    net = nn.Sequential(nn.Linear(2, 3)).append(nn.ReLU()).append(nn.Linear(3, 1))
    assert list(net.parameters()) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert net(np.zeros((5, 2), np.float32)).shape == (5, 1)
    part = net[1:].append(nn.Linear(1, 4))
    assert list(part.parameters()) == ["2.weight", "2.bias", "3.weight", "3.bias"]
    assert part(np.zeros((5, 3), np.float32)).shape == (5, 4)


def test_a_net_that_grows_inside_another_is_noticed():
    inner = nn.Sequential(nn.Linear(2, 3))
    net = nn.Sequential(inner, nn.ReLU())
    assert net(np.zeros((1, 2), np.float32)).shape == (1, 3)
    inner.append(nn.Linear(3, 7))
    assert net(np.zeros((1, 2), np.float32)).shape == (1, 7)
    assert list(net.parameters()) == ["0.0.weight", "0.0.bias", "0.1.weight", "0.1.bias"]


def test_a_layer_with_parameters_stands_once_and_others_as_often_as_wanted():
    layer, relu = nn.Linear(3, 3), nn.ReLU()
    assert len(nn.Sequential(relu, layer, relu)) == 3
    with pytest.raises(ValueError, match=r"once, got the same Linear\(.*\) as layers 0 and 1\.1"):
        nn.Sequential(layer, nn.Sequential(relu, layer))
    net = nn.Sequential(layer)
    with pytest.raises(ValueError, match="as layers 0 and 1"):
        net.append(layer)
    assert len(net) == 1


def test_what_is_no_net_is_refused():
    with pytest.raises(TypeError, match=r"expected layers of convlet.nn, got \[\] as layer 0"):
        nn.Sequential([])
    with pytest.raises(TypeError, match="expected layers of convlet.nn, got <class "):
        nn.Sequential(nn.ReLU)
    with pytest.raises(ValueError, match="hold no dot, got 'a.b'"):
        nn.Sequential({"a.b": nn.ReLU()})
    with pytest.raises(ValueError, match="not empty"):
        nn.Sequential({"": nn.ReLU()})
    with pytest.raises(TypeError, match="names of type str, got 3"):
        nn.Sequential({3: nn.ReLU()})
    net = nn.Sequential(nn.ReLU())
    with pytest.raises(ValueError, match="got the net itself"):
        net.append(nn.Sequential(net))


@pytest.mark.torch
def test_nets_look_as_in_torch():
    torch = pytest.importorskip("torch")

    def build(library) -> object:
        return library.Sequential(
            library.Conv2d(1, 6, kernel_size=5, padding=2),
            library.Conv2d(6, 6, (1, 2), (2, 1), "valid", 2, groups=3, bias=False),
            library.Sequential(library.Sigmoid(), library.Tanh(), library.ReLU()),
            library.AvgPool2d(kernel_size=2, stride=2),
            library.MaxPool2d((2, 3), padding=(0, 1), ceil_mode=True),
            library.Flatten(),
            library.Linear(400, 120, bias=False),
            library.Softmax(dim=1),
            library.LogSoftmax(dim=-1),
            library.Sequential(),
        )

    assert repr(build(nn)) == repr(build(torch.nn))


def test_lenet_is_the_articles_net():
    assert repr(nn.LeNet()).splitlines() == [
        "LeNet(",
        "  (0): Conv2d(1, 6, kernel_size=(5, 5), stride=(1, 1), padding=(2, 2))",
        "  (1): Sigmoid()",
        "  (2): AvgPool2d(kernel_size=2, stride=2, padding=0)",
        "  (3): Conv2d(6, 16, kernel_size=(5, 5), stride=(1, 1))",
        "  (4): Sigmoid()",
        "  (5): AvgPool2d(kernel_size=2, stride=2, padding=0)",
        "  (6): Flatten(start_dim=1, end_dim=-1)",
        "  (7): Linear(in_features=400, out_features=120, bias=True)",
        "  (8): Sigmoid()",
        "  (9): Linear(in_features=120, out_features=84, bias=True)",
        "  (10): Sigmoid()",
        "  (11): Linear(in_features=84, out_features=10, bias=True)",
        ")",
    ]


@pytest.mark.parametrize("size", [12, 13, 28, 29, (32, 40), (15, 64)])
def test_lenet_takes_images_of_other_sizes(size):
    height, width = size if isinstance(size, tuple) else (size, size)
    net = nn.LeNet(3, 4, size, seed=0)
    assert net(np.zeros((2, 3, height, width), np.uint8)).shape == (2, 4)


@pytest.mark.parametrize(
    "size, error, message",
    [
        (11, ValueError, "image_size of at least 12, got 11"),
        ((40, 5), ValueError, "image_size of at least 12, got 5"),
        (28.0, TypeError, "image_size to be an integer or a pair"),
    ],
)
def test_lenet_refuses_images_that_it_cannot_pool_twice(size, error, message):
    with pytest.raises(error, match=f"LeNet: expected {message}"):
        nn.LeNet(1, 10, size)


def test_lenet_takes_other_images_and_classes():
    net = nn.LeNet(3, 26, seed=1)
    assert net(np.zeros((2, 3, 28, 28), np.uint8)).shape == (2, 26)
    assert np.array_equal(net[0].weight, nn.LeNet(3, 26, seed=1)[0].weight)


@pytest.mark.parametrize(
    "how", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))], ids=["deepcopy", "pickle"]
)
@pytest.mark.parametrize("make", [nested, nn.LeNet], ids=["nested", "LeNet"])
def test_copies_compute_the_same_with_parameters_of_their_own(make, how, rng: np.random.Generator):
    net = make()
    copied = how(net)
    assert type(copied) is type(net)
    assert repr(copied) == repr(net)
    x = rng.random((3, 4) if len(net) == 3 else (3, 1, 28, 28), np.float32)
    before = net(x)
    assert np.array_equal(copied(x), before)
    for array in copied.parameters().values():
        array += 1
    assert np.array_equal(net(x), before)
    with copied.flat_parameters() as flat:
        assert np.shares_memory(flat, next(iter(copied.parameters().values())))


def test_a_shallow_copy_shares_the_parameters():
    net = nested()
    copied = copy.copy(net)
    copied[0].weight[...] = 3
    assert (net[0].weight == 3).all()
    assert len(copied.append(nn.ReLU())) == 4
    assert len(net) == 3


def test_a_copied_layer_is_its_own():
    layer = nn.Conv2d(2, 4, 3, padding="same", groups=2, bias=False)
    for copied in (copy.copy(layer), copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert repr(copied) == repr(layer)
        assert np.array_equal(copied.weight, layer.weight)
        assert not np.shares_memory(copied.weight, layer.weight)
