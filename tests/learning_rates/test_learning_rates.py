"""The range test: what it finds where the answer is known, and that it leaves no trace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from convlet import Trainer, datasets, find_learning_rate, nn, optim, plots
from convlet.trainer import epoch_order
from tolerances import assert_same_bits_by_name

LOSS = nn.CrossEntropyLoss()
Arrays = tuple[NDArray[np.float32], NDArray[np.int64]]


def data(scale: float = 1.0) -> Arrays:
    rng = np.random.default_rng(0)
    images = rng.standard_normal((512, 20), np.float32)
    labels = (images @ rng.standard_normal((20, 4), np.float32)).argmax(axis=1)
    return scale * images, labels


def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(20, 4)).initialize("xavier_uniform", 0)


def curvature(images: NDArray[np.float32]) -> float:
    """A bound of the largest eigenvalue of the Hessian of softmax regression: that of X'X / N, over 2."""
    x = np.c_[images, np.ones(len(images))]
    return float(np.linalg.eigvalsh(x.T @ x / len(x)).max() / 2)


@pytest.mark.parametrize("scale", [1.0, 10.0])
def test_the_suggestion_lies_where_gradient_descent_is_known_to_be_good(scale: float) -> None:
    """Below 2 / L every step lowers the loss; of rates far below that nothing is seen in so few steps."""
    train = data(scale)
    limit = 2 / curvature(train[0])
    found = find_learning_rate(net(), optim.SGD(1.0), LOSS, train, 1e-6, 1e4, 200, batch_size=64)
    assert found.suggestion is not None
    assert limit / 100 < found.suggestion < 2 * limit
    losses = []
    for rate in (found.suggestion, found.suggestion / 100):
        trained = net()
        Trainer(trained, optim.SGD(rate), LOSS).fit(train, epochs=3, batch_size=64)
        losses.append(trained.evaluate(*train)[0])
    assert losses[0] < 0.7 * losses[1]


def test_the_rates_grow_by_a_constant_factor_and_the_test_ends_where_the_loss_explodes() -> None:
    found = find_learning_rate(net(), optim.SGD(1.0), LOSS, data(100.0), 1e-4, 1e6, 100)
    assert len(found.rates) == len(found.losses) < 100
    assert found.rates[0] == pytest.approx(1e-4)
    np.testing.assert_allclose(found.rates[1:] / found.rates[:-1], 10 ** (10 / 99))
    assert np.isfinite(found.losses).all()
    whole = find_learning_rate(net(), optim.SGD(1.0), LOSS, data(), 1e-5, 1e-3, 30)
    assert len(whole.rates) == 30
    assert whole.rates[-1] == pytest.approx(1e-3)


def test_the_losses_are_those_of_a_loop_written_by_hand() -> None:
    images, labels = data()
    found = find_learning_rate(
        net(), optim.Adam(0.1), LOSS, (images, labels), 1e-4, 1e-2, 12, 3, batch_size=100
    )
    trained, optimizer, mean = net(), optim.Adam(0.1), 0.0
    order = np.concatenate([epoch_order(512, 3, epoch) for epoch in range(2)])
    batches = [order[start : start + 100] for start in (0, 100, 200, 300, 400)]
    batches = [*batches[:5], order[500:512], *(order[512 + s : 612 + s] for s in range(0, 501, 100))]
    for step, rate in enumerate(np.geomspace(1e-4, 1e-2, 12)):
        batch = batches[step]
        value, gradients = trained.loss_and_gradients(images[batch], labels[batch], LOSS)
        mean = 0.9 * mean + 0.1 * value
        assert found.losses[step] == pytest.approx(mean / (1 - 0.9 ** (step + 1)), rel=1e-6)
        optimizer.step(trained.parameters(), gradients, rate)


@pytest.mark.parametrize("kind", [optim.SGD, optim.Adam])
def test_net_and_optimizer_stay_as_they_were(kind: Any) -> None:
    schedule = optim.Cosine()
    trained, optimizer, train = net(), kind(0.01, schedule=schedule), data()
    Trainer(trained, optimizer, LOSS).fit(train, epochs=1)
    weights, state = trained.state_dict(), optimizer.state_dict()
    results = [find_learning_rate(trained, optimizer, LOSS, train, steps=20) for _ in range(2)]
    assert_same_bits_by_name(trained.parameters(), weights)
    after = optimizer.state_dict()
    np.testing.assert_array_equal(after.pop("state"), state.pop("state"))
    assert after == state
    assert optimizer.schedule is schedule
    np.testing.assert_array_equal(results[0].losses, results[1].losses)


def test_a_loss_that_never_falls_gives_no_suggestion() -> None:
    images = data()[0]
    noise = images, np.random.default_rng(1).integers(0, 4, len(images))
    trained = net()
    Trainer(trained, optim.SGD(0.5), LOSS).fit(noise, epochs=300, batch_size=512)
    found = find_learning_rate(trained, optim.SGD(1.0), LOSS, noise, 1e2, 1e4, 20, batch_size=512)
    assert found.suggestion is None


def test_a_net_on_its_plateau_gives_no_suggestion() -> None:
    digits, lenet = datasets.Digits(size=2000), nn.LeNet().initialize("d2l", 0)
    found = find_learning_rate(lenet, optim.SGD(0.9), LOSS, digits)
    assert found.losses[0] > found.losses.min() > 0.99 * np.log(10)
    assert found.suggestion is None


def test_the_picture_shows_the_losses_and_the_suggestion(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    found = find_learning_rate(net(), optim.SGD(1.0), LOSS, data())
    figure = plots.learning_rates(found, tmp_path / "rates.png")
    (axes,) = figure.axes
    curve, line = axes.get_lines()
    np.testing.assert_array_equal(curve.get_xdata(), found.rates)
    np.testing.assert_array_equal(curve.get_ydata(), found.losses)
    assert list(line.get_xdata()) == [found.suggestion] * 2
    assert axes.get_xscale() == "log"
    assert (tmp_path / "rates.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "change, error, says",
    [
        ({"net": "LeNet"}, TypeError, "find_learning_rate: expected net of type Sequential, got str"),
        (
            {"optimizer": 0.1},
            TypeError,
            "find_learning_rate: expected optimizer of type Optimizer, got float",
        ),
        ({"low": 0.0}, ValueError, "expected 0 < low < high, got low 0 and high 10"),
        ({"low": 20.0}, ValueError, "expected 0 < low < high, got low 20 and high 10"),
        ({"high": float("inf")}, ValueError, "expected high to be finite"),
        ({"steps": 2}, ValueError, "expected steps of at least 3, got 2"),
        ({"batch_size": 0}, ValueError, "expected batch_size of at least 1"),
        ({"data": 3}, TypeError, "expected train to be a data set"),
    ],
)
def test_it_refuses(change: dict[str, Any], error: type[Exception], says: str) -> None:
    arguments = {"net": net(), "optimizer": optim.SGD(0.1), "loss": LOSS, "data": data(), **change}
    with pytest.raises(error, match=says):
        find_learning_rate(**arguments)


def test_a_net_that_is_broken_to_begin_with_is_told_of() -> None:
    broken = net()
    broken[0].weight[...] = np.nan
    with pytest.raises(ValueError, match="expected a finite loss to start with, got nan"):
        find_learning_rate(broken, optim.SGD(0.1), LOSS, data())
