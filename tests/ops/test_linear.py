"""`functional.linear` and its backward."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from configurations import BATCHES, reals, small_integers
from convlet import functional
from oracle import linear as oracle
from tolerances import assert_close, assert_exact

SIZES = ((1, 1), (3, 5), (5, 3), (16, 16), (17, 31), (84, 10), (10, 84), (33, 1), (1, 33), (257, 65))
"""(inputs, outputs): around every block of rows and columns that a kernel may use."""


@cache
def integer_case(inputs: int, outputs: int, batch: int):
    rng = np.random.default_rng(batch)
    x, weight = small_integers(rng, (batch, inputs)), small_integers(rng, (outputs, inputs))
    bias, dy = small_integers(rng, (outputs,)), small_integers(rng, (batch, outputs))
    return (x, weight, bias, dy), (oracle.forward(x, weight, bias), *oracle.backward(dy, x, weight))


@pytest.mark.parametrize("inputs, outputs", [*SIZES, (400, 120)])
def test_integers_in_bits_out(inputs: int, outputs: int, isa: str, threads: int):
    for batch in (*BATCHES, 96):
        (x, weight, bias, dy), (y, *gradients) = integer_case(inputs, outputs, batch)
        assert_exact(functional.linear(x, weight, bias), y, f"y, batch {batch}")
        assert_exact(functional.linear(x, weight), y - bias, f"y without bias, batch {batch}")
        actual = functional.linear_backward(dy, x, weight)
        for a, e, name in zip(actual, gradients, ("dx", "dweight", "dbias"), strict=True):
            assert_exact(a, e, f"{name}, batch {batch}")


@pytest.mark.parametrize("inputs, outputs", [*SIZES, (400, 120)])
@pytest.mark.parametrize("batch", [1, 17])
def test_real_values_are_within_rounding(
    inputs: int, outputs: int, batch: int, isa: str, rng: np.random.Generator
):
    x, weight = reals(rng, (batch, inputs)), reals(rng, (outputs, inputs))
    bias, dy = reals(rng, (outputs,)), reals(rng, (batch, outputs))
    magnitude = oracle.forward(abs(x), abs(weight), abs(bias))
    y = functional.linear(x, weight, bias)
    assert_close(y, oracle.forward(x, weight, bias), magnitude, inputs + 1, what="y")
    actual, expected = functional.linear_backward(dy, x, weight), oracle.backward(dy, x, weight)
    magnitudes = oracle.backward(abs(dy), abs(x), abs(weight))
    terms = (outputs, batch, batch)
    for n, name in enumerate(("dx", "dweight", "dbias")):
        assert_close(actual[n], expected[n], magnitudes[n], terms[n], what=name)


@pytest.mark.torch
@pytest.mark.parametrize("seed", range(20))
def test_random_sizes_agree_with_torch(seed: int):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(seed)
    batch, inputs, outputs = (int(n) for n in rng.integers(1, 70, 3))
    x, weight = reals(rng, (batch, inputs)), reals(rng, (outputs, inputs))
    bias, dy = reals(rng, (outputs,)), reals(rng, (batch, outputs))
    leaves = [torch.tensor(a, requires_grad=True) for a in (x, weight, bias)]
    ty = torch.nn.functional.linear(*leaves)
    ty.backward(torch.tensor(dy))
    np.testing.assert_allclose(functional.linear(x, weight, bias), ty.detach().numpy(), rtol=0, atol=5e-5)
    for actual, theirs in zip(functional.linear_backward(dy, x, weight), leaves, strict=True):
        np.testing.assert_allclose(actual, theirs.grad.numpy(), rtol=0, atol=5e-5)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("batch", [1, 18])
def test_a_feature_that_is_no_number_stays_in_its_row(bad: float, batch: int, isa: str):
    rng = np.random.default_rng(4)
    x, weight = small_integers(rng, (batch, 19)), small_integers(rng, (21, 19))
    x[batch - 1, 7] = bad
    with np.errstate(invalid="ignore"):
        expected = oracle.forward(x, weight)
    np.testing.assert_array_equal(functional.linear(x, weight), expected)
