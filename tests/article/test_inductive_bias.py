"""Why a convolution: it looks near by, everywhere alike, and so follows what moves across the image."""

from __future__ import annotations

import numpy as np
import pytest

from configurations import reals, small_integers
from convlet import Trainer, datasets, functional, nn, optim
from tolerances import assert_same_bits


@pytest.mark.parametrize("down, across", [(0, 1), (1, 0), (3, 2), (5, 7)])
def test_a_shifted_image_gives_a_shifted_feature_map(
    down: int, across: int, isa: str, rng: np.random.Generator
):
    weight, bias = reals(rng, (4, 2, 3, 5)), reals(rng, (4,))
    shape = (3, 2, 24, 27)
    image, shifted = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    thing = reals(rng, (3, 2, 8, 9))
    image[:, :, 5:13, 6:15] = thing
    shifted[:, :, 5 + down : 13 + down, 6 + across : 15 + across] = thing
    here = functional.sigmoid(functional.conv2d(image, weight, bias))
    there = functional.sigmoid(functional.conv2d(shifted, weight, bias))
    assert_same_bits(there[:, :, down:, across:], here[:, :, : 22 - down, : 23 - across])


def test_a_dense_layer_does_not_follow_a_shift(rng: np.random.Generator):
    weight = reals(rng, (64, 64))
    image = reals(rng, (1, 8, 8))
    here = functional.linear(image.reshape(1, 64), weight).reshape(8, 8)
    there = functional.linear(np.roll(image, 1, axis=2).reshape(1, 64), weight).reshape(8, 8)
    assert abs(there[:, 1:] - here[:, :-1]).max() > 1


def test_a_one_by_one_convolution_is_a_dense_layer_at_every_pixel(isa: str, rng: np.random.Generator):
    x, weight, bias = (
        small_integers(rng, (3, 5, 4, 7)),
        small_integers(rng, (6, 5)),
        small_integers(rng, (6,)),
    )
    y = functional.conv2d(x, weight[:, :, None, None], bias)
    pixels = x.transpose(0, 2, 3, 1).reshape(-1, 5)
    dense = functional.linear(pixels, weight, bias).reshape(3, 4, 7, 6).transpose(0, 3, 1, 2)
    assert_same_bits(y, np.ascontiguousarray(dense))


def test_a_hidden_layer_sees_only_what_is_near(rng: np.random.Generator):
    """One pixel touches the kernel's neighbourhood of it, and nothing else."""
    x, weight = reals(rng, (1, 1, 15, 17)), reals(rng, (1, 1, 5, 3))
    before = functional.conv2d(x, weight, padding="same")
    x[0, 0, 7, 8] += 1
    changed = np.argwhere(functional.conv2d(x, weight, padding="same")[0, 0] != before[0, 0])
    assert changed.min(axis=0).tolist() == [5, 7]
    assert changed.max(axis=0).tolist() == [9, 9]
    assert len(changed) == 15


def accuracy(net: nn.Sequential, lr: float, train: tuple, test: tuple) -> float:
    trainer = Trainer(net, optim.Adam(lr), nn.CrossEntropyLoss(), device="cpu", threads=1)
    return trainer.fit(train, test, epochs=4, batch_size=32, seed=0)[-1].test_accuracy


def test_permuted_pixels_hurt_lenet_and_leave_softmax_regression_alone():
    """A convolution lives on what is near by; to softmax regression all pixels are features alike."""
    train, test = datasets.Digits(train=True, size=1500), datasets.Digits(train=False, size=600)
    order = np.random.default_rng(0).permutation(28 * 28)

    def permuted(images: np.ndarray) -> np.ndarray:
        return images.reshape(len(images), -1)[:, order].reshape(images.shape)

    results = {}
    for name, change in (("as drawn", np.array), ("permuted", permuted)):
        data = [(change(part.images), part.labels) for part in (train, test)]
        lenet = nn.LeNet()
        lenet.initialize("xavier_uniform", 0)
        dense = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
        dense[1].weight[...] = 0
        dense[1].bias[...] = 0
        results[name] = (accuracy(lenet, 5e-3, *data), accuracy(dense, 1e-2, *data))
    (lenet_drawn, dense_drawn), (lenet_permuted, dense_permuted) = results["as drawn"], results["permuted"]
    assert lenet_drawn - lenet_permuted > 0.05, results
    assert abs(dense_drawn - dense_permuted) < 0.01, results
