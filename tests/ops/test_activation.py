"""`relu`, `sigmoid` and `tanh`: a handful of units in the last place over the whole of float32."""

from __future__ import annotations

import numpy as np
import pytest

from configurations import BATCHES, reals
from convlet import functional
from oracle import activation as oracle
from tolerances import assert_close, assert_same_bits, ulps

FORWARD = {name: getattr(functional, name) for name in oracle.NAMES}
BACKWARD = {name: getattr(functional, f"{name}_backward") for name in oracle.NAMES}
ULPS = 4
LARGEST = np.finfo(np.float32).max
SMALLEST = np.finfo(np.float32).smallest_subnormal


def dense_sample() -> np.ndarray:
    """Every 8209th finite float32 in order of its bits, subnormal to huge, and some places that matter."""
    bits = np.arange(0, 2**32, 8209, dtype=np.uint64).astype(np.uint32)
    numbers = bits.view(np.float32)
    edges = [0.0, -0.0, SMALLEST, -SMALLEST, LARGEST, -LARGEST, 1.0, -1.0, -87.33654, -88.0, -103.97, -104.0]
    ordinary = np.linspace(-110, 110, 200_001, dtype=np.float32)
    return np.concatenate([numbers[np.isfinite(numbers)], np.array(edges, np.float32), ordinary])


@pytest.mark.parametrize("name", ["sigmoid", "tanh"])
def test_accuracy_over_all_of_float32(name: str, isa: str):
    x = dense_sample()
    y = FORWARD[name](x)
    assert y.dtype == np.float32
    error = ulps(y, oracle.forward(name, x))
    worst = int(np.argmax(error))
    assert error[worst] <= ULPS, f"{name}({x[worst]!r}) = {y[worst]!r} is {error[worst]:.1f} ulp off"


def test_sigmoid_of_zero_is_one_half(isa: str):
    assert functional.sigmoid(np.array([0.0, -0.0], np.float32)).tolist() == [0.5, 0.5]


def test_sigmoid_stays_between_zero_and_one_and_keeps_subnormal_results(isa: str):
    y = FORWARD["sigmoid"](dense_sample())
    assert y.min() >= 0
    assert y.max() <= 1
    x = np.linspace(-103, -88, 1001, dtype=np.float32)
    y = functional.sigmoid(x)
    assert (y > 0).all()
    assert (y < np.finfo(np.float32).tiny).all()


def test_tanh_stays_between_minus_one_and_one_is_odd_and_keeps_small_numbers(isa: str):
    x = dense_sample()
    y = functional.tanh(x)
    assert y.min() == -1
    assert y.max() == 1
    assert_same_bits(functional.tanh(-x), -y, "tanh(-x)")
    assert functional.tanh(np.array([SMALLEST, -SMALLEST])).tolist() == [SMALLEST, -SMALLEST]


def test_relu_is_exact_over_all_of_float32(isa: str):
    x = dense_sample()
    assert np.array_equal(functional.relu(x), np.maximum(x, 0))


def test_relu_of_minus_zero_is_minus_zero(isa: str):
    zeros = np.array([0.0, -0.0], np.float32)
    assert_same_bits(functional.relu(zeros), zeros, "relu of zeros")


@pytest.mark.parametrize("name", oracle.NAMES)
def test_limits_and_nan(name: str, isa: str):
    y = FORWARD[name](np.array([np.inf, -np.inf, np.nan], np.float32))
    expected = {"relu": [np.inf, 0, np.nan], "sigmoid": [1, 0, np.nan], "tanh": [1, -1, np.nan]}
    np.testing.assert_array_equal(y, np.array(expected[name], np.float32))


@pytest.mark.parametrize("name", oracle.NAMES)
def test_gradients_come_from_the_output(name: str, isa: str, rng: np.random.Generator):
    x, dy = 3 * reals(rng, (5, 67)), reals(rng, (5, 67))
    y = oracle.forward(name, x).astype(np.float32)
    assert_close(BACKWARD[name](dy, y), oracle.backward(name, dy, y), abs(dy), 3, what=f"{name}_backward")


def test_relu_lets_the_gradient_through_where_the_output_is_positive_or_nan(isa: str):
    y, dy = np.array([0.0, -0.0, SMALLEST, 2.0, np.nan, np.inf], np.float32), np.full(6, 3, np.float32)
    assert functional.relu_backward(dy, y).tolist() == [0, 0, 3, 3, 3, 3]


@pytest.mark.parametrize("name", oracle.NAMES)
@pytest.mark.parametrize("shape", [(), (0,), (1,), (15,), (16,), (17,), (3, 0, 2), (2, 3, 5, 7, 3)])
def test_any_shape(name: str, shape: tuple[int, ...], isa: str, rng: np.random.Generator):
    x = reals(rng, shape)
    y = FORWARD[name](x)
    expected = oracle.forward(name, x)
    assert_close(y, expected, abs(expected), 1, ULPS)
    assert BACKWARD[name](x, y).shape == shape


@pytest.mark.parametrize("name", oracle.NAMES)
def test_an_element_does_not_depend_on_its_place(name: str, isa: str, threads: int, rng: np.random.Generator):
    x = 10 * reals(rng, (100_003,))
    y = FORWARD[name](x)
    for start in (1, 7, 50_001):
        for count in BATCHES:
            part = slice(start, start + count)
            assert_same_bits(FORWARD[name](x[part].copy()), y[part], f"{name} of {part}")


@pytest.mark.torch
@pytest.mark.parametrize("name", oracle.NAMES)
def test_agrees_with_torch(name: str, rng: np.random.Generator):
    torch = pytest.importorskip("torch")
    x, dy = 5 * reals(rng, (33, 7)), reals(rng, (33, 7))
    tx = torch.tensor(x, requires_grad=True)
    ty = getattr(torch, name)(tx)
    ty.backward(torch.tensor(dy))
    y = FORWARD[name](x)
    np.testing.assert_allclose(y, ty.detach().numpy(), rtol=1e-6)
    np.testing.assert_allclose(BACKWARD[name](dy, y), tx.grad.numpy(), rtol=1e-6, atol=1e-6)
