"""`functional.max_pool2d` and its backward: exact, since no pixel is ever rounded."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from configurations import BATCHES, POOL2D, Pool2d, random_pool2d, reals, small_integers
from convlet import functional
from oracle import max_pool2d as oracle
from tolerances import assert_exact


@cache
def integer_case(p: Pool2d, batch: int):
    """Few different values, so that most windows hold equals."""
    rng = np.random.default_rng(batch)
    x = small_integers(rng, (batch, p.channels, *p.image), bound=3)
    dy = small_integers(rng, (batch, *p.output))
    return (x, dy), (
        *oracle.forward(x, p.kernel, **p.max_options),
        oracle.backward(dy, x, p.kernel, **p.max_options),
    )


@pytest.mark.parametrize("configuration", POOL2D, ids=lambda p: p.name)
def test_integers_in_bits_out(configuration: Pool2d, isa: str, threads: int):
    p = configuration
    for batch in BATCHES:
        (x, dy), (y, indices, dx) = integer_case(p, batch)
        assert_exact(functional.max_pool2d(x, p.kernel, **p.max_options), y, f"y, batch {batch}")
        actual_y, actual_indices = functional.max_pool2d(x, p.kernel, **p.max_options, return_indices=True)
        assert_exact(actual_y, y, f"y beside its indices, batch {batch}")
        assert actual_indices.dtype == np.int64
        assert np.array_equal(actual_indices, indices), f"indices, batch {batch}"
        actual_dx = functional.max_pool2d_backward(dy, x, p.kernel, **p.max_options)
        assert_exact(actual_dx, dx, f"dx, batch {batch}")


@pytest.mark.parametrize("configuration", POOL2D, ids=lambda p: p.name)
def test_real_values_are_exact_too(configuration: Pool2d, isa: str, rng: np.random.Generator):
    p = configuration
    x = reals(rng, (17, p.channels, *p.image))
    y, indices = functional.max_pool2d(x, p.kernel, **p.max_options, return_indices=True)
    expected_y, expected_indices = oracle.forward(x, p.kernel, **p.max_options)
    assert_exact(y, expected_y)
    assert np.array_equal(indices, expected_indices)


@pytest.mark.torch
@pytest.mark.parametrize("seed", range(60))
def test_random_configurations_agree_with_torch(seed: int):
    torch = pytest.importorskip("torch")
    p, rng = random_pool2d(seed), np.random.default_rng(seed)
    batch = int(rng.choice([1, 2, 5, 16, 19]))
    x = reals(rng, (batch, p.channels, *p.image))
    dy = small_integers(rng, (batch, *p.output))
    tx, sides = torch.tensor(x, requires_grad=True), (p.padding[0], p.padding[2])
    ty, tindices = torch.nn.functional.max_pool2d(
        tx, p.kernel, p.stride, sides, p.dilation, p.ceil_mode, return_indices=True
    )
    ty.backward(torch.tensor(dy))
    y, indices = functional.max_pool2d(x, p.kernel, **p.max_options, return_indices=True)
    np.testing.assert_array_equal(y, ty.detach().numpy())
    np.testing.assert_array_equal(indices, tindices.numpy())
    dx = functional.max_pool2d_backward(dy, x, p.kernel, **p.max_options)
    np.testing.assert_array_equal(dx, tx.grad.numpy())


def test_stride_is_the_kernel_where_none_is_given(rng: np.random.Generator):
    x = reals(rng, (2, 2, 7, 9))
    assert np.array_equal(functional.max_pool2d(x, (2, 3)), functional.max_pool2d(x, (2, 3), (2, 3)))
    assert np.array_equal(functional.max_pool2d(x, 2), functional.max_pool2d(x, (2, 2), 2))


@pytest.mark.parametrize("batch", [1, 17])
def test_first_among_equals_takes_the_gradient(batch: int, isa: str):
    x = np.ones((batch, 2, 4, 6), np.float32)
    dx = functional.max_pool2d_backward(np.full((batch, 2, 2, 2), 5, np.float32), x, (2, 3))
    expected = np.zeros((4, 6), np.float32)
    expected[::2, ::3] = 5
    assert (dx == expected).all()


@pytest.mark.parametrize("batch", [1, 17])
def test_nan_wins_wherever_it_stands(batch: int, isa: str):
    for place in range(6):
        x = np.full((batch, 1, 2, 3), np.inf, np.float32)
        x.reshape(batch, 6)[:, place] = np.nan
        y, indices = functional.max_pool2d(x, (2, 3), return_indices=True)
        assert np.isnan(y).all(), f"NaN at {place}"
        assert (indices == place).all()
        dx = functional.max_pool2d_backward(np.ones((batch, 1, 1, 1), np.float32), x, (2, 3))
        assert (dx.reshape(batch, 6) == np.eye(6)[place]).all(), f"NaN at {place}"


@pytest.mark.parametrize("batch", [1, 17])
def test_padding_never_wins_not_even_over_minus_infinity(batch: int, isa: str):
    x = np.full((batch, 1, 2, 2), -np.inf, np.float32)
    y, indices = functional.max_pool2d(x, 2, padding=1, return_indices=True)
    assert (y == -np.inf).all()
    assert (indices == [[0, 1], [2, 3]]).all()
    dx = functional.max_pool2d_backward(np.ones_like(y), x, 2, padding=1)
    assert (dx == 1).all()


def test_a_window_of_minus_infinities_gives_its_gradient_to_the_first(isa: str):
    x = np.full((17, 1, 2, 2), -np.inf, np.float32)
    dx = functional.max_pool2d_backward(np.ones((17, 1, 1, 1), np.float32), x, 2)
    assert (dx == [[1, 0], [0, 0]]).all()
