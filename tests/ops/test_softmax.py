"""`softmax` and `log_softmax` along any axis, with their gradients."""

from __future__ import annotations

import numpy as np
import pytest

from configurations import reals
from convlet import functional
from oracle import softmax as oracle
from tolerances import CHAIN, assert_close, ulps

SHAPES = [(1, 1), (1, 10), (15, 3), (16, 10), (17, 10), (33, 1), (2, 1000)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scale", [1, 30])
def test_rows_are_within_rounding(
    shape: tuple[int, int], scale: int, isa: str, threads: int, rng: np.random.Generator
):
    x = scale * reals(rng, shape)
    p, log_p = oracle.forward(x), oracle.log_forward(x)
    below = x.max(axis=1, keepdims=True) - x  # is rounded too, and exp makes its error a relative one
    assert_close(functional.softmax(x), p, p * (1 + below), shape[1], CHAIN, "softmax")
    assert_close(functional.log_softmax(x), log_p, abs(log_p) + abs(x).max(), 1, CHAIN, "log_softmax")


@pytest.mark.parametrize("dim", [0, 1, 2, 3, -1, -2])
def test_any_axis(dim: int, isa: str, rng: np.random.Generator):
    x = reals(rng, (3, 5, 2, 7))
    assert_close(functional.softmax(x, dim), oracle.forward(x, dim), 1.0, 1)
    assert_close(functional.log_softmax(x, dim), oracle.log_forward(x, dim), 4.0, 1)
    assert functional.softmax(x, dim=dim).flags.c_contiguous


@pytest.mark.parametrize("shape", SHAPES)
def test_gradients_come_from_the_output(shape: tuple[int, int], isa: str, rng: np.random.Generator):
    x, dy = reals(rng, shape), reals(rng, shape)
    y = oracle.forward(x).astype(np.float32)
    magnitude = y * (abs(dy) + (abs(dy) * y).sum(axis=1, keepdims=True))
    actual = functional.softmax_backward(dy, y)
    assert_close(actual, oracle.backward(dy, y), magnitude, shape[1] + 1, what="softmax_backward")
    y = oracle.log_forward(x).astype(np.float32)
    magnitude = abs(dy) + np.exp(y) * abs(dy).sum(axis=1, keepdims=True)
    actual = functional.log_softmax_backward(dy, y)
    assert_close(actual, oracle.log_backward(dy, y), magnitude, shape[1] + 1, what="log_softmax_backward")


def test_exp_inside_is_accurate_over_its_whole_range(isa: str):
    """softmax of (0, x) is (1, exp(x)) / (1 + exp(x)), down to subnormal results."""
    x = np.linspace(-103.5, 0, 200_001, dtype=np.float32)
    p = functional.softmax(np.stack([np.zeros_like(x), x], axis=1))
    small = np.exp(x.astype(np.float64))
    error = ulps(p[:, 1], small / (1 + small))
    worst = int(np.argmax(error))
    assert error[worst] <= 4, f"x = {x[worst]!r}: {p[worst, 1]!r} is {error[worst]:.1f} ulp off"


def test_huge_logits_neither_overflow_nor_vanish(isa: str):
    x = np.array([[3e38, 3e38], [-3e38, -3e38], [3e38, -3e38], [1e5, 1e5 - 1]], np.float32)
    expected = oracle.forward(x)
    np.testing.assert_allclose(functional.softmax(x), expected, rtol=1e-6)
    log_p = functional.log_softmax(np.array([[0, 1e4], [0, -200]], np.float32))
    np.testing.assert_allclose(log_p, [[-1e4, 0], [0, -200]], rtol=1e-6, atol=1e-37)


@pytest.mark.torch
def test_special_logits_as_in_torch():
    torch = pytest.importorskip("torch")
    inf, nan = np.inf, np.nan
    x = np.array([[0, -inf, 1], [inf, 0, 1], [nan, 0, 1], [-inf, -inf, -inf], [inf, inf, 0]], np.float32)
    for mine, theirs in ((functional.softmax, torch.softmax), (functional.log_softmax, torch.log_softmax)):
        np.testing.assert_allclose(mine(x), theirs(torch.tensor(x), 1).numpy(), rtol=1e-6)


def test_probabilities_add_up_to_one(rng: np.random.Generator):
    p = functional.softmax(50 * reals(rng, (200, 37)))
    assert p.min() >= 0
    np.testing.assert_allclose(p.sum(axis=1, dtype=np.float64), 1, rtol=1e-6)


@pytest.mark.parametrize("shape", [(0, 5), (3, 4, 0)])
def test_nothing_gives_nothing(shape: tuple[int, ...]):
    assert functional.softmax(np.zeros(shape, np.float32), 0 if shape[0] else 1).shape == shape
