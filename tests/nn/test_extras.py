"""Identity, adaptive pooling, dropout and normalization, as PyTorch's users know them."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convlet import functional, nn, reference
from networks import DROPOUT, NORMALIZED
from oracle import dropout
from tolerances import assert_same_bits, assert_same_bits_by_name

X = np.random.default_rng(0).standard_normal((3, 4, 9, 8)).astype(np.float32)
POOLS = [nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d]


def small(*first: nn.Layer) -> nn.Sequential:
    return nn.Sequential(*first, nn.Flatten(), nn.Linear(2 * 6 * 5, 3)).initialize("pytorch", 1)


def data(count: int = 20) -> tuple[Any, Any]:
    rng = np.random.default_rng(3)
    return rng.standard_normal((count, 2, 6, 5)).astype(np.float32), rng.integers(0, 3, count)


@pytest.mark.parametrize("layer", POOLS)
@pytest.mark.parametrize("size", [1, (1, 1), [1, 1], np.int64(1)])
def test_adaptive_pooling_is_pooling_of_the_image(layer: Any, size: Any):
    function = functional.avg_pool2d if layer is nn.AdaptiveAvgPool2d else functional.max_pool2d
    assert_same_bits(layer(size)(X), function(X, (9, 8)))
    net = nn.Sequential(layer(size))
    assert_same_bits(net(X), function(X, (9, 8)))
    assert net.summary((4, 9, 8)).output_shape == (4, 1, 1)


@pytest.mark.parametrize("layer", POOLS)
def test_other_sizes_are_refused(layer: Any):
    for size in (2, (1, 2), (None, 1), 0, "1", 1.0, None):
        with pytest.raises(
            (TypeError, ValueError), match=rf"{layer.__name__}: expected output_size 1 or \(1, 1\)"
        ):
            layer(size)
    with pytest.raises(ValueError, match=r"expected x of shape \(N, C, H, W\), got \(4, 9, 8\)"):
        layer()(X[0])


def test_identity_takes_whatever_pytorch_lets_it_take():
    layer = nn.Identity(54, unused=0.1)
    assert repr(layer) == "Identity()"
    assert_same_bits(layer(X), X)
    assert nn.Sequential(nn.Identity())(X).shape == X.shape


@pytest.mark.torch
def test_layers_are_those_of_pytorch():
    torch = pytest.importorskip("torch")
    x = torch.tensor(X)
    for name in ("AdaptiveAvgPool2d", "AdaptiveMaxPool2d"):
        theirs = getattr(torch.nn, name)(1)
        np.testing.assert_allclose(getattr(nn, name)(1)(X), theirs(x), rtol=1e-5, atol=1e-6)
        assert repr(getattr(nn, name)((1, 1))) == repr(getattr(torch.nn, name)((1, 1)))
    assert repr(nn.Dropout(0.25)) == "Dropout(p=0.25)"
    assert torch.nn.Dropout().p == nn.Dropout().p
    theirs, mine = torch.nn.Dropout(1.0), functional.dropout(X, 1.0)
    np.testing.assert_array_equal(theirs(x).numpy(), mine)
    mean, std = np.array([0.1, -0.2, 0.3, 0.0], np.float32), np.array([0.5, 2.0, 0.25, 1.0], np.float32)
    expected = (x - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]
    assert_same_bits(nn.Normalize(mean, std)(X), expected.numpy())


@pytest.mark.torch
def test_gradients_through_global_pooling_are_those_of_pytorch():
    torch = pytest.importorskip("torch")
    net, (x, y) = NORMALIZED.make(3), NORMALIZED.data(9, "float32")

    class Normalize(torch.nn.Module):
        def __init__(self, layer: nn.Normalize) -> None:
            super().__init__()
            self.mean, self.std = (torch.tensor(v)[:, None, None].double() for v in (layer.mean, layer.std))

        def forward(self, x: Any) -> Any:
            return (x - self.mean) / self.std

    theirs = torch.nn.Sequential(
        Normalize(net[0]), torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(), Normalize(net[3]),
        torch.nn.AdaptiveMaxPool2d(1), torch.nn.Conv2d(8, 5, 1), torch.nn.AdaptiveAvgPool2d((1, 1)),
        torch.nn.Flatten(), torch.nn.Dropout(), torch.nn.Linear(5, 5),
    ).double().eval()  # fmt: skip
    theirs.load_state_dict({name: torch.tensor(array) for name, array in net.parameters().items()})
    loss = torch.nn.CrossEntropyLoss()(theirs(torch.tensor(x).double()), torch.tensor(y))
    loss.backward()
    value, gradients = net.eval().loss_and_gradients(x, y)
    assert value == pytest.approx(loss.item(), rel=1e-6)
    for name, parameter in theirs.named_parameters():
        expected = parameter.grad.numpy()
        np.testing.assert_allclose(gradients[name], expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def test_calls_are_inference_in_either_mode():
    net, (x, y) = DROPOUT.make(), DROPOUT.data(40)
    expected = net(x)
    assert net.training
    assert_same_bits(net.eval()(x), expected)
    assert not net.training
    assert net.evaluate(x, y) == net.train().evaluate(x, y)
    assert_same_bits(nn.Dropout(0.9)(X), X)


def test_gradients_are_of_what_the_mode_says():
    (x, y), net, plain = data(), small(nn.Dropout(0.5)), small(nn.Identity())
    _, expected = plain.loss_and_gradients(x, y)
    _, dropped = net.loss_and_gradients(x, y, seed=4, step=7)
    kept, _ = plain.loss_and_gradients(dropout.forward(x, 0.5, 4, 7, 0), y)
    assert net.loss_and_gradients(x, y, seed=4, step=7)[0] == kept
    assert any((dropped[name] != expected[name]).any() for name in expected)
    assert_same_bits_by_name(net.eval().loss_and_gradients(x, y)[1], expected)
    _, again = net.train().loss_and_gradients(x, y, seed=4, step=7)
    assert_same_bits_by_name(again, dropped)


def test_steps_count_themselves_where_nobody_does():
    (x, y), net, other = data(), small(nn.Dropout(0.5)), small(nn.Dropout(0.5))
    values = [net.loss_and_gradients(x, y)[0] for _ in range(3)]
    assert values == [other.loss_and_gradients(x, y, step=step)[0] for step in range(3)]
    assert len(set(values)) == 3


def test_one_layer_alone_may_stop_dropping():
    (x, y), net = data(), small(nn.Dropout(0.5), nn.Sequential(nn.Dropout(0.25)))
    net[0].eval()
    assert net.training
    found = net.loss_and_gradients(x, y, step=1)
    assert_same_bits_by_name(
        found[1], reference.loss_and_gradients(net, x, y, nn.CrossEntropyLoss(), 0, 1)[1]
    )
    kept, _ = small().loss_and_gradients(dropout.forward(x, 0.25, 0, 1, 1), y)
    assert found[0] == kept
    twin = copy.deepcopy(net)
    assert [op.training for op in twin.ops().values()] == [False, True, True, True]


def test_gradients_are_those_of_the_definition():
    """Central differences in float64 through a dense net with one mask."""
    net = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Dropout(0.4), nn.Linear(8, 3)).initialize("pytorch", 2)
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((5, 6)).astype(np.float32), rng.integers(0, 3, 5)
    keep = dropout.kept((5, 8), 0.4, 9, 3, 2)
    state = {name: array.astype(np.float64) for name, array in net.parameters().items()}

    def loss(name: str, value: Any) -> float:
        p = state | {name: value}
        hidden = np.tanh(x @ p["0.weight"].T + p["0.bias"])
        logits = np.where(keep, hidden / 0.6, 0) @ p["3.weight"].T + p["3.bias"]
        return float(np.mean(np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(5), y]))

    value, gradients = net.loss_and_gradients(x, y, seed=9, step=3)
    assert value == pytest.approx(loss("0.bias", state["0.bias"]), rel=1e-5)
    for name, gradient in gradients.items():
        rounded = float(np.abs(gradient).max()) * 2e-6
        places = np.random.default_rng(0).choice(gradient.size, min(8, gradient.size), replace=False)
        for place in places:
            step = np.zeros(gradient.size)
            step[place] = 1e-5
            step = step.reshape(gradient.shape)
            slope = (loss(name, state[name] + step) - loss(name, state[name] - step)) / 2e-5
            assert gradient.reshape(-1)[place] == pytest.approx(slope, rel=1e-4, abs=rounded)


def test_mode_is_a_bool():
    with pytest.raises(TypeError, match="train: expected mode"):
        small().train(1)  # type: ignore[arg-type]


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_share_out_of_range_is_refused(p: float):
    with pytest.raises(ValueError, match="Dropout: expected p"):
        nn.Dropout(p)


def test_normalize_is_fixed_and_goes_where_the_weights_go(tmp_path: Path):
    x, y = data()
    net = small(nn.Normalize((0.5, -1), (2, 0.25)))
    assert list(net.parameters()) == ["2.weight", "2.bias"]
    assert list(net.state_dict()) == ["0.mean", "0.std", "2.weight", "2.bias"]
    assert list(net.buffers()) == ["0.mean", "0.std"]
    assert net.parameter_count == 183
    assert list(net.loss_and_gradients(x, y)[1]) == ["2.weight", "2.bias"]
    net.save(tmp_path / "net.safetensors")
    other = small(nn.Normalize((0, 0), (1, 1)))
    before = other(x)
    other.load(tmp_path / "net.safetensors")
    assert_same_bits(other(x), net(x))
    assert (other(x) != before).any()
    with pytest.raises(ValueError, match="read-only"):
        net[0].mean[0] = 1


def test_load_of_a_bad_deviation_changes_nothing():
    net = small(nn.Normalize((0.5, -1), (2, 0.25)))
    before = net.state_dict()
    with pytest.raises(ValueError, match="load_state_dict: expected numbers above 0 as std"):
        net.load_state_dict(before | {"0.std": np.array([1, 0]), "2.bias": np.ones(3)})
    assert_same_bits_by_name(net.state_dict(), before)
    with pytest.raises(ValueError, match=r"missing 0\.mean"):
        net.load_state_dict({name: array for name, array in before.items() if name != "0.mean"})


@pytest.mark.parametrize(
    "mean, std, expected",
    [
        ((0, 1), (1,), "a mean and a std for each channel, got 2 and 1"),
        ((), (), "a mean and a std for each channel, got 0 and 0"),
        (0, 0, "numbers above 0 as std"),
        (0, -1, "numbers above 0 as std"),
        (float("inf"), 1, "finite numbers as mean"),
        (0, float("nan"), "finite numbers as std"),
    ],
)
def test_bad_statistics_are_refused(mean: Any, std: Any, expected: str):
    with pytest.raises(ValueError, match=f"Normalize: expected {expected}"):
        nn.Normalize(mean, std)


def test_images_of_other_channels_are_refused():
    net = nn.Sequential(nn.Normalize((0, 1), (1, 2)))
    with pytest.raises(ValueError, match=r"expected x of shape \(N, 2, H, W\)"):
        net(X)


def test_normalize_of_a_data_set_gives_mean_zero_and_deviation_one():
    rng = np.random.default_rng(4)
    images = rng.integers(0, 256, (1500, 2, 6, 5), np.uint8)
    images[:, 1] //= 3
    for x in (images, images.astype(np.float32) / 255):
        y = nn.Normalize.of(x)(images.astype(np.float32) / np.float32(255)).astype(np.float64)
        np.testing.assert_allclose(y.mean(axis=(0, 2, 3)), 0, atol=1e-5)
        np.testing.assert_allclose(y.std(axis=(0, 2, 3)), 1, rtol=1e-5)
    images[:, 1] = 7
    with pytest.raises(ValueError, match="expected numbers above 0 as std"):
        nn.Normalize.of(images)
    with pytest.raises(ValueError, match=r"Normalize.of: expected images \(N, C, H, W\)"):
        nn.Normalize.of(images[0])
