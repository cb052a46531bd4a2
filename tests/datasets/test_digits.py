"""The built-in digits: the same everywhere, of any size, and as hard as they are said to be."""

from __future__ import annotations

import hashlib
import time

import numpy as np
import pytest

from convlet.datasets import Digits
from slower import SLOWER


def digest(dataset):
    return hashlib.sha256(dataset.images.tobytes() + dataset.labels.astype("<i8").tobytes()).hexdigest()


def softmax_regression(train, test, epochs, batch_size=1000, lr=0.6, momentum=0.9):
    """The test accuracy of logits x W + b after SGD, with a learning rate that falls to zero."""
    x, x_test = (part.images.reshape(len(part), -1) / np.float32(255) for part in (train, test))
    weights = np.zeros((2, x.shape[1] + 1, 10), np.float32)  # the bias is the last row; then the momenta
    batches = len(x) // batch_size
    steps = epochs * batches
    for step in range(steps):
        begin = step % batches * batch_size
        chosen = slice(begin, begin + batch_size)
        logits = x[chosen] @ weights[0, :-1] + weights[0, -1]
        slope = np.exp(logits - logits.max(axis=1, keepdims=True))
        slope /= slope.sum(axis=1, keepdims=True)
        slope[np.arange(batch_size), train.labels[chosen]] -= 1
        weights[1] *= momentum
        weights[1, :-1] += x[chosen].T @ slope / batch_size
        weights[1, -1] += slope.mean(axis=0)
        weights[0] -= lr * (1 - step / steps) * weights[1]
    return np.mean((x_test @ weights[0, :-1] + weights[0, -1]).argmax(axis=1) == test.labels)


def test_default_sets_have_the_form_of_mnist():
    for train, size in ((True, 80_000), (False, 10_000)):
        digits = Digits(train)
        assert digits.images.shape == (size, 1, 28, 28)
        assert digits.images.dtype == np.uint8
        assert digits.classes == tuple("0123456789")
        assert (digits.name, digits.train) == ("digits", train)


def test_bytes_are_the_promised_ones_on_every_machine():
    assert (
        digest(Digits(train=True, size=1000))
        == "bf7bc9ef804bd0d21ada7cbabc1c1090013dd1b132174d9aff44d8d9dbc8e2f7"
    )
    assert (
        digest(Digits(train=False, size=1000))
        == "c8d66074e58d90f3557602ca98a83f23917a401bebc5d9be84860a8b72b0e1e3"
    )
    assert (
        digest(Digits(train=True, size=1000, seed=2**63 - 1))
        == "a630da6ed0110aa5f123d612815f3e61b0c960d05c7ed25b3a2168e075d97e53"
    )


@pytest.mark.parametrize("size", [0, 1, 499, 500, 501, 1200])
def test_a_smaller_set_is_the_beginning_of_a_larger_one(size):
    whole = Digits(size=1500)
    part = Digits(size=size)
    assert len(part) == size
    np.testing.assert_array_equal(part.images, whole.images[:size])
    np.testing.assert_array_equal(part.labels, whole.labels[:size])


def test_every_digit_comes_equally_often_and_in_no_order():
    labels = Digits(size=2000).labels.reshape(4, 500)
    for block in labels:
        assert np.bincount(block).tolist() == [50] * 10
        assert 20 < np.sum(np.diff(block) == 0) < 80  # 50 expected where neighbours are independent
    assert not np.array_equal(labels[0], labels[1])


def test_no_image_comes_twice_and_none_is_both_in_train_and_test():
    images = [Digits(train=train, size=5000, seed=seed).images for train in (True, False) for seed in (0, 1)]
    flat = np.concatenate(images).reshape(20_000, -1)
    assert len(np.unique(flat, axis=0)) == 20_000


def test_pictures_are_dark_paper_with_bright_ink():
    images = Digits(size=5000).images[:, 0]
    assert np.all(images.max(axis=(1, 2)) >= 220)
    assert np.mean(images < 20) > 0.6
    ink = np.mean(images > 127, axis=(1, 2))
    assert ink.min() > 0.02
    assert ink.max() < 0.5


def test_every_digit_is_near_the_middle_and_moves_about_it():
    digits = Digits(size=5000)
    bright = np.where(digits.images[:, 0] > 127, 1.0, 0.0)
    rows = bright.sum(axis=2) @ np.arange(28) / bright.sum(axis=(1, 2))
    columns = bright.sum(axis=1) @ np.arange(28) / bright.sum(axis=(1, 2))
    for middle in (rows, columns):
        assert abs(middle.mean() - 13.5) < 0.75
        assert 1.5 < middle.std() < 3.5
        assert np.all((middle > 5) & (middle < 22))


def test_softmax_regression_stays_under_93_percent():
    accuracy = softmax_regression(Digits(train=True, size=20_000), Digits(train=False, size=4000), epochs=20)
    assert 0.80 < accuracy < 0.925


def test_ten_thousand_images_take_a_moment():
    Digits(size=1)  # the tables are made once
    begin = time.perf_counter()
    Digits(size=10_000)
    assert time.perf_counter() - begin < 2 * SLOWER  # 0.1 on the machine this was written on


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ({"size": -1}, ValueError, "size of at least 0, got -1"),
        ({"size": 2.0}, TypeError, "size to be an integer, got 2.0"),
        ({"seed": -1}, ValueError, "seed of at least 0, got -1"),
        ({"seed": None}, TypeError, "seed to be an integer, got None"),
        ({"train": "test"}, TypeError, "train to be True or False, got 'test'"),
    ],
)
def test_wrong_arguments_are_refused(arguments, error, message):
    with pytest.raises(error, match=f"Digits: expected {message}"):
        Digits(**arguments)
