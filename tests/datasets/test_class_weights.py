"""Weights for classes of different size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from convlet.datasets import class_weights


def test_a_weight_is_n_over_k_times_the_count() -> None:
    weights = class_weights([0] * 6 + [1] * 3 + [2])
    assert weights.dtype == np.float32
    np.testing.assert_allclose(weights, [10 / 18, 10 / 9, 10 / 3], rtol=1e-6)


def test_they_are_those_of_scikit_learn(rng: np.random.Generator) -> None:
    sklearn = pytest.importorskip("sklearn.utils.class_weight")
    labels = rng.choice(4, 500, p=[0.6, 0.2, 0.15, 0.05])
    expected = sklearn.compute_class_weight("balanced", classes=np.arange(4), y=labels)
    np.testing.assert_allclose(class_weights(labels), expected, rtol=1e-6)


@pytest.mark.parametrize(
    "arguments, error, says",
    [
        (([0.5],), TypeError, "expected integer labels"),
        (([],), TypeError, "expected integer labels"),
        (
            (np.zeros((2, 2), int),),
            ValueError,
            r"expected labels of shape \(N,\), at least one, got \(2, 2\)",
        ),
        (([0, -1],), ValueError, r"expected labels in 0\.\.0, got -1"),
        (([0, 3], 3), ValueError, r"expected labels in 0\.\.2, got 3"),
        (([0, 2, 0],), ValueError, "expected an image of each of 3 classes, got none of class 1"),
        (([0, 10**9],), ValueError, "expected an image of each of 1000000001 classes, got 2 images"),
        (([0, 1], 0), ValueError, "expected classes of at least 1"),
    ],
)
def test_they_refuse(arguments: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=f"class_weights: {says}"):
        class_weights(*arguments)
