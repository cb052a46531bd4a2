"""The engine with bf16 products: exact where bf16 is, near float32 elsewhere, the same bits always."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from convlet import Trainer, _core, nn, optim
from convlet.cli import main
from engine_run import CROSS_ENTROPY, EngineRun
from networks import ALL_OPTIONS, DROPOUT, LENET, NETWORKS, RELU_MAX_POOL, Network, random_network
from tolerances import assert_same_bits

needs_amx = pytest.mark.skipif(not _core.has_bf16(), reason="needs a CPU with AMX, on Linux")
Results = tuple[NDArray[np.float32], float, NDArray[np.float32]]


def results(net: nn.Sequential, images: NDArray[Any], labels: NDArray[np.int64], precision: str) -> Results:
    """Outputs, loss and all gradients of an engine."""
    engine = _core.Engine(net.plan(images.shape[1:]), 2, precision)
    parameters = np.concatenate([a.ravel() for a in net.parameters().values()])
    gradients = np.empty_like(parameters)
    loss = CROSS_ENTROPY | {"reduction": "sum"}
    value, _ = engine.loss_and_gradients(parameters, images, labels, loss, gradients)
    return engine.forward(parameters, images), value, gradients


# Channels, image, kernel, padding, rows' dilation and output channels of a first convolution, and its batch:
# every remainder of cells and tiles, a single channel, whose rows are folded, and images that are all border.
CONVOLUTIONS = [
    (1, (9, 8), (5, 5), (2, 2, 2, 2), 1, 6, 16),
    (1, (7, 7), (1, 3), (0, 0, 0, 0), 1, 2, 3),
    (1, (9, 6), (3, 3), (1, 0, 2, 1), 2, 18, 17),
    (2, (6, 5), (3, 3), (0, 0, 0, 0), 1, 16, 16),
    (3, (8, 9), (3, 4), (1, 2, 0, 3), 2, 34, 5),
    (4, (5, 12), (1, 12), (0, 0, 0, 0), 1, 4, 33),
    (6, (7, 6), (5, 5), (4, 4, 4, 4), 1, 8, 16),
    (7, (4, 4), (4, 4), (0, 0, 0, 0), 1, 10, 1),
    (9, (3, 3), (2, 2), (0, 1, 1, 0), 1, 12, 20),
    (34, (4, 3), (3, 3), (1, 1, 1, 1), 1, 6, 15),
    (5, (1, 1), (1, 1), (0, 0, 0, 0), 1, 2, 31),
    (2, (3, 20), (2, 16), (0, 1, 8, 8), 1, 2, 16),
]


@needs_amx
@pytest.mark.parametrize(
    "channels, image, kernel, padding, dilation, outputs, batch", CONVOLUTIONS, ids=lambda v: str(v)
)
def test_integers_have_the_bits_of_float32(
    channels: int,
    image: tuple[int, int],
    kernel: tuple[int, int],
    padding: tuple[int, int, int, int],
    dilation: int,
    outputs: int,
    batch: int,
) -> None:
    """All products are exact, so forward and backward must be equal.

    Equal logits make slopes of 1/4 and -3/4. To have them without slopes that cancel out, kernels come twice,
    and the dense layer takes from one of two equal features what it adds of the other.
    """
    rng = np.random.default_rng(channels + batch)
    first = nn.Conv2d(channels, outputs, kernel, padding=padding, dilation=(dilation, 1))
    top, bottom, left, right = padding
    rows = image[0] + top + bottom - dilation * (kernel[0] - 1)
    columns = image[1] + left + right - (kernel[1] - 1)
    net = nn.Sequential(first, nn.Conv2d(outputs, 4, 1), nn.Flatten(), nn.Linear(4 * rows * columns, 4))
    (w1, b1), (w2, b2), (w3, b3) = ((net[i].weight, net[i].bias) for i in (0, 1, 3))
    w1[::2] = rng.integers(-1, 2, w1[::2].shape) * (rng.random(w1[::2].shape) < 4 / w1[0].size + 0.1)
    b1[::2] = rng.integers(-2, 3, outputs // 2)
    w1[1::2], b1[1::2] = w1[::2], b1[::2]
    w2[...], b2[...], b3[...] = 0, [1, -1, 1, -1], 0
    for o in range(2):
        pair = 2 * rng.integers(outputs // 2)
        w2[o, pair] = w2[o + 2, pair + 1] = o + 1
    of_features = rng.integers(-2, 3, (4, 2, rows * columns))
    w3[...] = np.concatenate([of_features, -of_features], 1).reshape(4, -1)
    images = rng.integers(-3, 4, (batch, channels, *image)).astype(np.float32)
    labels = rng.integers(0, 4, batch)

    outputs32, loss32, gradients32 = results(net, images, labels, "float32")
    outputs16, loss16, gradients16 = results(net, images, labels, "bf16")
    assert np.ptp(outputs32) == 0
    assert loss32 == loss16
    assert all(
        np.any(part) for part in np.split(gradients32, np.cumsum([w1.size, b1.size, w2.size, b2.size]))
    )
    assert_same_bits(outputs16, outputs32, "outputs")
    assert_same_bits(gradients16 + np.float32(0), gradients32 + np.float32(0), "gradients")


@needs_amx
@pytest.mark.parametrize(
    "network", [*NETWORKS, DROPOUT, *map(random_network, range(30))], ids=lambda n: n.name
)
def test_every_net_stays_near_float32(network: Network) -> None:
    """Each product is rounded by up to 2^-8; ReLU and a maximum may decide otherwise, which costs more."""
    net, (images, labels) = network.make(), network.data(37, "float32")
    outputs32, loss32, gradients32 = results(net, images, labels, "float32")
    outputs16, loss16, gradients16 = results(net, images, labels, "bf16")
    assert np.linalg.norm(outputs16 - outputs32) < 0.01 * np.linalg.norm(outputs32)
    assert abs(loss16 - loss32) < 0.002 * loss32
    assert np.linalg.norm(gradients16 - gradients32) < 0.15 * np.linalg.norm(gradients32)
    if net.parameter_count:
        assert np.any(gradients16 != gradients32)


@needs_amx
@pytest.mark.parametrize("network", [LENET, RELU_MAX_POOL, ALL_OPTIONS, DROPOUT], ids=lambda n: n.name)
def test_bits_do_not_depend_on_threads(network: Network) -> None:
    images, labels = network.data(300)

    def after(threads: int) -> NDArray[np.float32]:
        run = EngineRun(network.make(), network.input_shape, threads=threads, precision="bf16")
        run.train(images, labels, 50, 0.1)
        return run.parameters

    for threads in (2, 3, 7):
        assert_same_bits(after(threads), after(1), f"{threads} threads")


@needs_amx
def test_a_row_of_a_batch_has_the_bits_of_the_image_alone() -> None:
    net, (images, _) = LENET.make(), LENET.data(40)
    engine = _core.Engine(net.plan((1, 28, 28)), 2, "bf16")
    parameters = np.concatenate([a.ravel() for a in net.parameters().values()])
    outputs = engine.forward(parameters, images)
    for i in (0, 16, 39):
        assert_same_bits(engine.forward(parameters, images[i : i + 1]), outputs[i : i + 1], f"image {i}")


@needs_amx
def test_lanes_without_an_image_reach_no_gradient() -> None:
    """A slope of 0 times an infinite weight is NaN there, and infinite for the images."""
    net = nn.Sequential(nn.Conv2d(1, 3, 3), nn.Sigmoid(), nn.Flatten(), nn.Linear(48, 2)).initialize(
        "pytorch", 0
    )
    net[3].weight[1, 5] = -np.inf
    images = np.full((5, 1, 6, 6), 0.5, np.float32)
    _, loss, gradients = results(net, images, np.ones(5, np.int64), "bf16")
    assert loss == np.inf
    assert np.isinf(gradients).any()
    assert not np.isnan(gradients).any()


def digits(images: int = 600) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    from convlet.datasets import Digits

    train = Digits(train=True)
    return train.images[:images], train.labels[:images]


def trained(precision: str, epochs: int, **how: Any) -> Trainer:
    net = nn.Sequential(
        *(nn.Conv2d(1, 8, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 12, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(192, 10)),
    ).initialize("pytorch", 0)
    trainer = Trainer(net, optim.Adam(0.003), nn.CrossEntropyLoss(), "cpu", precision=precision)
    trainer.fit(digits(), epochs=epochs, batch_size=16, **how)
    return trainer


@needs_amx
def test_a_trainer_learns_as_in_float32_and_goes_on_to_the_same_bits() -> None:
    whole, float32 = trained("bf16", 8), trained("float32", 8)
    assert whole.history[-1].train_accuracy > 0.9
    assert abs(whole.history[-1].train_loss - float32.history[-1].train_loss) < 0.05
    stopped = trained("bf16", 3).checkpoint()
    resumed = trained("bf16", 8, resume=stopped)
    for name, array in whole.net.parameters().items():
        assert_same_bits(resumed.net.parameters()[name], array, name)
    with pytest.raises(ValueError, match="the run to resume had precision bf16, got None"):
        trained("float32", 8, resume=stopped)


@needs_amx
def test_the_command_line_trains_in_bf16_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--epochs", "1", "--train-size", "320", "--precision", "bf16", "--out", str(tmp_path / "run")]
    assert main(["train", *options]) == 0
    assert "with bf16" in capsys.readouterr().out
    assert main(["train", "--resume", "--out", str(tmp_path / "run"), "--precision", "float32"]) == 2
    assert "--precision float32: the run in" in capsys.readouterr().err


def test_a_precision_that_cannot_be_had_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = nn.LeNet(), optim.SGD(0.1), nn.CrossEntropyLoss()
    with pytest.raises(ValueError, match="expected precision to be one of float32, bf16, got 'fp16'"):
        Trainer(*parts, precision="fp16")
    with pytest.raises(ValueError, match="precision: expected 'float32' or 'bf16', got 'half'"):
        _core.Engine(parts[0].plan((1, 28, 28)), 1, "half")
    monkeypatch.setattr(_core, "has_bf16", lambda: False)
    with pytest.raises(ValueError, match="Trainer: expected a CPU with AMX, on Linux, for precision 'bf16'"):
        Trainer(*parts, precision="bf16")
