"""Nets that come back from a file without the code that made them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from convlet import checkpoint, nn
from convlet.checkpoint import SavedNet, load_net, net_from_json, net_to_json, save_net
from convlet.history import History
from networks import EXTRAS, NETWORKS, Network
from tolerances import assert_same_bits, assert_same_bits_by_name


@pytest.mark.parametrize("network", NETWORKS + EXTRAS, ids=lambda n: n.name)
def test_every_net_comes_back_from_a_file(network: Network, tmp_path: Path) -> None:
    net, (images, _) = network.make(), network.data(3)
    classes = tuple(f"class {n}" for n in range(network.classes))
    save_net(tmp_path / "net", SavedNet(net, network.input_shape, classes, {"data": "random"}))
    saved = load_net(tmp_path / "net")
    assert (saved.input_shape, saved.classes, saved.notes) == (
        network.input_shape,
        classes,
        {"data": "random"},
    )
    assert_same_bits_by_name(saved.net.parameters(), net.parameters())
    assert_same_bits(saved.net(images), net(images))
    assert net_to_json(saved.net) == net_to_json(net)


def test_nested_nets_keep_their_names() -> None:
    net = nn.Sequential(
        {
            "features": nn.Sequential(nn.Conv2d(1, 2, 3), nn.Sequential(nn.ReLU(), nn.MaxPool2d(2, 1))),
            "flat": nn.Flatten(),
            "classifier": nn.Sequential({"dense": nn.Linear(18, 2, bias=False), "p": nn.LogSoftmax(1)}),
        }
    )
    again = net_from_json(net_to_json(net))
    assert repr(again) == repr(net)
    assert list(again.parameters()) == ["features.0.weight", "features.0.bias", "classifier.dense.weight"]


def test_every_option_of_a_layer_comes_back() -> None:
    net = nn.Sequential(
        nn.Conv2d(4, 6, (3, 5), stride=(2, 1), padding=(1, 2, 3, 0), dilation=(1, 2), groups=2, bias=False),
        nn.MaxPool2d((2, 3), stride=(1, 2), padding=1, dilation=(2, 1), ceil_mode=True),
        nn.AvgPool2d((3, 2), (2, 3), (1, 0), ceil_mode=True, count_include_pad=False, divisor_override=5),
        nn.Conv2d(6, 6, 3, padding="same"),
    )
    again = net_from_json(net_to_json(net))
    assert [op.spec() for op in again.ops().values()] == [op.spec() for op in net.ops().values()]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "3",
        "[3]",
        "[{}]",
        '[{"name": "0", "kind": "transformer"}]',
        '[{"name": "0", "kind": "linear"}]',
        '[{"name": "0", "kind": "linear", "in_features": "2", "out_features": 1, "bias": true}]',
        '[{"name": "0", "kind": "relu", "eval": "print()"}]',
        '[{"name": "0.1", "kind": "relu"}, {"name": "0", "kind": "relu"}, {"name": "0.2", "kind": "relu"}]',
        "[" * 100_000,
        json.dumps([{"name": "." * 5000, "kind": "relu"}]),
    ],
)
def test_what_describes_no_net_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match="expected a description of a net"):
        net_from_json(text)


def rewritten(path: Path, **changes: str) -> Path:
    tensors, metadata = checkpoint.load_weights(path)
    checkpoint.save_weights(path, tensors, {**metadata, **changes})
    return path


HUGE = json.dumps(
    [{"name": "0", "kind": "linear", "in_features": 2**28, "out_features": 2**28, "bias": False}]
)


@pytest.mark.parametrize(
    "changes, says",
    [
        ({"net": "[]"}, "expected 0 parameters for its net, got 61706"),
        ({"net": HUGE}, "expected 72057594037927936 parameters for its net, got 61706"),
        ({"net": "[1]"}, "expected a description of a net"),
        ({"input_shape": "[1, 27, 27]"}, "expected images that the layers take"),
        ({"input_shape": "[1, 2"}, "Expecting"),
        ({"input_shape": '"abc"'}, "input_shape"),
        ({"classes": '["a", "b"]'}, "an output for each of its 2 classes"),
        ({"classes": "7"}, "len"),
        ({"format": "convlet poem"}, "expected a convlet net, got convlet poem"),
        ({"version": "2"}, "expected a convlet net of version 1, got version 2"),
    ],
)
def test_a_file_whose_description_does_not_fit_is_refused(
    changes: dict[str, str], says: str, tmp_path: Path
) -> None:
    path = tmp_path / "net.safetensors"
    save_net(path, SavedNet(nn.LeNet(), (1, 28, 28), tuple("0123456789")))
    with pytest.raises(ValueError, match=says) as caught:
        load_net(rewritten(path, **changes))
    assert str(caught.value).startswith(f"{path}: ")


def test_weights_of_lenet_by_others_are_a_net(tmp_path: Path) -> None:
    state = nn.LeNet(seed=1).state_dict()
    checkpoint.save_weights(tmp_path / "w", {f"net.{name}": array for name, array in state.items()})
    assert_same_bits_by_name(load_net(tmp_path / "w").net.parameters(), state)
    checkpoint.save_weights(tmp_path / "w", {**state, "12.weight": np.zeros(3)})
    with pytest.raises(ValueError, match=r"no description of its net, and .* unexpected 12\.weight"):
        load_net(tmp_path / "w")


@pytest.mark.torch
def test_nets_move_to_pytorch_and_back_by_file(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file, save_file

    from torch_steps import in_torch, relu_net

    for mine, fresh in ((nn.LeNet(seed=1), nn.LeNet()), (relu_net(), relu_net())):
        save_net(tmp_path / "mine", SavedNet(mine, (1, 28, 28), tuple("0123456789"), {"data": "digits"}))
        theirs = in_torch(fresh)
        theirs.load_state_dict(load_file(tmp_path / "mine"), strict=True)
        x = np.random.default_rng(0).random((4, 1, 28, 28), np.float32)
        with torch.no_grad():
            np.testing.assert_allclose(mine(x), theirs(torch.tensor(x)).numpy(), rtol=0, atol=1e-5)
        save_file(theirs.state_dict(), tmp_path / "theirs", {"format": "pt"})
        assert fresh.load(tmp_path / "theirs", strict=True) == ([], [])
        assert_same_bits_by_name(fresh.parameters(), mine.parameters())
    theirs = in_torch(nn.LeNet(seed=2))
    save_file(theirs.state_dict(), tmp_path / "theirs", {"format": "pt"})
    assert_same_bits_by_name(load_net(tmp_path / "theirs").net.parameters(), nn.LeNet(seed=2).parameters())


def some_checkpoint(net: nn.Sequential) -> checkpoint.Checkpoint:
    row = {
        "epoch": 1,
        "train_loss": 0.1 + 0.2,
        "train_accuracy": 1 / 3,
        "test_loss": None,
        "test_accuracy": None,
        "seconds": 0.7,
        "images_per_second": 1e5 / 3,
    }
    saved = SavedNet(net, (1, 28, 28), tuple("0123456789"), {"data": "digits"})
    return checkpoint.Checkpoint(
        weights=net.state_dict(),
        optimizer={
            "kind": "sgd",
            "settings": {"lr": 0.1},
            "steps_done": 9,
            "state": np.ones((1, 5), np.float32),
        },
        epoch=1,
        totals=np.array([3, 48, 0.1, 7]),
        seconds=0.3,
        history=History([row], {"seed": 3}, 2.5, [(0.2, 2.3, 0.1)]),
        notes=checkpoint.describe(saved),
    )


def test_a_checkpoint_comes_back_to_the_last_bit(tmp_path: Path) -> None:
    before = some_checkpoint(nn.LeNet(seed=2))
    checkpoint.save_checkpoint(tmp_path / "c", before)
    after = checkpoint.load_checkpoint(tmp_path / "c")
    assert_same_bits_by_name(dict(sorted(after.weights.items())), dict(sorted(before.weights.items())))
    assert_same_bits(after.optimizer.pop("state"), before.optimizer.pop("state"))
    assert_same_bits(after.totals, before.totals)
    assert after.optimizer == before.optimizer
    assert (after.epoch, after.seconds, after.notes) == (before.epoch, before.seconds, before.notes)
    assert after.history == before.history
    assert after.history.to_dict() == before.history.to_dict()
    assert after.history.within == before.history.within


def test_a_checkpoint_is_a_net_too(tmp_path: Path) -> None:
    net = nn.LeNet(seed=2)
    checkpoint.save_checkpoint(tmp_path / "c", some_checkpoint(net))
    saved = load_net(tmp_path / "c")
    assert_same_bits_by_name(saved.net.parameters(), net.parameters())
    assert saved.notes == {"data": "digits"}


@pytest.mark.parametrize(
    "changes, says",
    [
        ({"format": "convlet net"}, "expected a convlet checkpoint, got convlet net"),
        ({"version": "9"}, "version 1, got version 9"),
        ({"run": "{}"}, "'history' is missing"),
        ({"run": "{"}, "Expecting"),
        ({"run": "[" * 100_000}, "recursion"),
    ],
)
def test_a_corrupt_checkpoint_is_a_value_error_that_names_it(
    changes: dict[str, str], says: str, tmp_path: Path
) -> None:
    path = tmp_path / "checkpoint.safetensors"
    checkpoint.save_checkpoint(path, some_checkpoint(nn.LeNet()))
    with pytest.raises(ValueError, match=says) as caught:
        checkpoint.load_checkpoint(rewritten(path, **changes))
    assert str(caught.value).startswith(f"{path}: ")
