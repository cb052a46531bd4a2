"""Augmentation in the engine's loader: the pixels of the oracle, whoever computes them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from convlet import Augment, _core, nn
from engine_run import EngineRun
from oracle import augment as oracle
from tolerances import assert_same_bits

SETTINGS = {
    "shift": oracle.Settings(shift=3),
    "flip": oracle.Settings(flip=True),
    "erase": oracle.Settings(erase=4),
    "exact ones": oracle.Settings(shift=2, flip=True, erase=3),
    "far shift": oracle.Settings(shift=20, erase=1),
    "rotation": oracle.Settings(rotation=30),
    "all": oracle.Settings(2, True, 180, 5),
}
SHAPE = (2, 9, 7)


def seen(settings: oracle.Settings, images: Any, order: Any, batch: int, threads: int = 1) -> Any:
    """What a net sees of every image, which the gradient of a dense layer's weights shows, one image a step.

    With a weight of zero and two classes the gradient of row 1 is x / 2 for labels of 0, exactly.
    """
    net = nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(SHAPE)), 2, bias=False))
    found = []
    for step in range(len(order)):
        run = EngineRun(net, SHAPE, threads=threads)
        run.parameters[...] = 0
        run.optimizer["step"] = step // batch
        labels = np.zeros(len(images), np.int64)
        part = order[step : step + 1]
        run.train(images, labels, 1, 2.0, part, seed=11, augment=Augment(*settings).spec())
        found.append(-run.parameters.reshape(2, -1)[1].reshape(SHAPE))
    return np.array(found, np.float32)


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("kind", ["uint8", "float32"])
def test_pixels_are_those_of_the_oracle(name: str, kind: str, isa: str):
    settings, rng = SETTINGS[name], np.random.default_rng(1)
    images = rng.integers(1, 256, (40, *SHAPE), np.uint8)
    numbers = images.astype(np.float32) / np.float32(255)
    order = rng.integers(0, 40, 12)
    steps = np.arange(12)
    expected = np.concatenate(
        [oracle.forward(numbers[order[n : n + 1]], settings, 11, int(n), order[n : n + 1]) for n in steps]
    )
    found = seen(settings, images if kind == "uint8" else numbers, order, 1)
    assert_same_bits(found + np.float32(0), expected + np.float32(0))


def network() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Dropout(0.25), nn.Flatten(), nn.Linear(4 * 7 * 5, 3)
    ).initialize("pytorch", 0)


@pytest.mark.parametrize("kind", ["uint8", "float32"])
def test_a_step_is_that_of_images_augmented_before(kind: str, isa: str):
    rng = np.random.default_rng(2)
    images, labels = rng.integers(0, 256, (50, *SHAPE), np.uint8), rng.integers(0, 3, 50)
    numbers = images.astype(np.float32) / np.float32(255)
    order = rng.permutation(50)[:37]
    settings = SETTINGS["all"]
    run, expected = EngineRun(network(), SHAPE), EngineRun(network(), SHAPE)
    spec = Augment(*settings).spec()
    run.train(images if kind == "uint8" else numbers, labels, 37, 0.1, order, seed=3, augment=spec)
    before = oracle.forward(numbers[order], settings, 3, 0, order)
    expected.train(before, labels[order], 37, 0.1, seed=3)
    assert_same_bits(run.parameters, expected.parameters)
    assert_same_bits(run.totals, expected.totals)


def test_the_same_bits_for_any_number_of_threads():
    rng = np.random.default_rng(2)
    images, labels = rng.integers(0, 256, (200, *SHAPE), np.uint8), rng.integers(0, 3, 200)
    results = set()
    for threads in (1, 2, 3, 7):
        run = EngineRun(network(), SHAPE, threads=threads)
        run.train(images, labels, 50, 0.1, seed=3, augment=Augment(*SETTINGS["all"]).spec())
        results.add(run.parameters.tobytes())
    assert len(results) == 1


def test_draws_are_spread_evenly():
    settings = oracle.Settings(2, True, 10, 3)
    drawn = [oracle.transform(settings, 1, 0, n, 9, 7) for n in range(4000)]
    downs = np.bincount([t.down + 2 for t in drawn], minlength=5)
    assert np.abs(downs - 800).max() < 5 * np.sqrt(800)
    assert abs(sum(t.mirrored for t in drawn) - 2000) < 5 * np.sqrt(1000)
    assert np.bincount([t.erased[1] + 1 for t in drawn], minlength=7).min() > 571 - 5 * np.sqrt(571)


@pytest.mark.parametrize(
    "options, error, expected",
    [
        ({"shift": -1}, ValueError, "Augment: expected shift"),
        ({"shift": 1.5}, TypeError, "Augment: expected shift"),
        ({"flip": 1}, TypeError, "Augment: expected flip"),
        ({"rotation": 181}, ValueError, "Augment: expected rotation"),
        ({"erase": 2**20}, ValueError, "Augment: expected erase"),
    ],
)
def test_settings_out_of_range_are_refused(options: dict[str, Any], error: type[Exception], expected: str):
    with pytest.raises(error, match=expected):
        Augment(**options)


def test_rows_are_not_augmented():
    run = EngineRun(nn.Sequential(nn.Linear(6, 2)), (6,))
    with pytest.raises(ValueError, match=r"augment: expected images of shape \(C, H, W\), got \(6,\)"):
        run.train(np.zeros((1, 6), np.float32), np.zeros(1, np.int64), 1, augment=Augment(1).spec())
    assert _core.Engine is type(run.engine)
