"""Normalization: NumPy's difference and quotient, bit by bit."""

from __future__ import annotations

import numpy as np
import pytest

from convlet import functional
from finite_differences import assert_gradient
from tolerances import assert_same_bits

MEAN, STD = np.float32([0.1, -3, 0]), np.float32([0.3, 7, 1e-3])


@pytest.mark.parametrize("shape", [(1, 3, 1, 1), (5, 3, 4, 7), (2, 3, 16, 16), (0, 3, 2, 2)])
def test_bits_are_those_of_the_formula(shape: tuple[int, ...], isa: str):
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    mean, std = MEAN[:, None, None], STD[:, None, None]
    assert_same_bits(functional.normalize(x, MEAN, STD), (x - mean) / std)
    assert_same_bits(functional.normalize_backward(x, STD), x / std)


def test_gradient_is_that_of_the_definition(rng: np.random.Generator):
    x, dy = rng.standard_normal((2, 3, 2, 2)), rng.standard_normal((2, 3, 2, 2))
    mean, std = MEAN.astype(np.float64)[:, None, None], np.array([0.5, 2, 4])[:, None, None]
    claimed = functional.normalize_backward(dy.astype(np.float32), std.ravel()).astype(np.float64)
    np.testing.assert_allclose(claimed, dy / std, rtol=1e-6)
    assert_gradient(dy / std, lambda x: float(((x - mean) / std * dy).sum()), x)


@pytest.mark.parametrize("shape", [(2, 4, 3, 3), (3, 3, 3), (3,)])
def test_shapes_that_do_not_fit_are_refused(shape: tuple[int, ...]):
    with pytest.raises(ValueError, match="normalize: expected"):
        functional.normalize(np.ones(shape, np.float32), MEAN, STD)
