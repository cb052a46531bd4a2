"""`functional.avg_pool2d` and its backward."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from configurations import BATCHES, POOL2D, Pool2d, random_pool2d, reals, small_integers
from convlet import functional
from oracle import avg_pool2d as oracle
from tolerances import assert_close, assert_exact

DIVISORS = 5040
"""A multiple of every number of taps that the configurations average (1 to 10, 12, 15, 16, 20), so integers
times it have integers as averages."""


@cache
def integer_case(p: Pool2d, batch: int):
    rng = np.random.default_rng(batch)
    x = DIVISORS * small_integers(rng, (batch, p.channels, *p.image))
    dy = DIVISORS * small_integers(rng, (batch, *p.output))
    return (x, dy), (
        oracle.forward(x, p.kernel, **p.avg_options),
        oracle.backward(dy, x, p.kernel, **p.avg_options),
    )


@pytest.mark.parametrize("configuration", POOL2D, ids=lambda p: p.name)
def test_integers_in_bits_out(configuration: Pool2d, isa: str, threads: int):
    p = configuration
    for batch in BATCHES:
        (x, dy), (y, dx) = integer_case(p, batch)
        assert_exact(functional.avg_pool2d(x, p.kernel, **p.avg_options), y, f"y, batch {batch}")
        actual = functional.avg_pool2d_backward(dy, x, p.kernel, **p.avg_options)
        assert_exact(actual, dx, f"dx, batch {batch}")


@pytest.mark.parametrize("configuration", POOL2D, ids=lambda p: p.name)
def test_real_values_are_within_rounding(configuration: Pool2d, isa: str, rng: np.random.Generator):
    p, batch = configuration, 17
    x, dy = reals(rng, (batch, p.channels, *p.image)), reals(rng, (batch, *p.output))
    taps = p.kernel[0] * p.kernel[1]
    y, magnitude = (oracle.forward(a, p.kernel, **p.avg_options) for a in (x, abs(x)))
    assert_close(functional.avg_pool2d(x, p.kernel, **p.avg_options), y, magnitude, taps, what="y")
    dx, magnitude = (oracle.backward(a, x, p.kernel, **p.avg_options) for a in (dy, abs(dy)))
    actual = functional.avg_pool2d_backward(dy, x, p.kernel, **p.avg_options)
    assert_close(actual, dx, magnitude, taps, what="dx")


@pytest.mark.torch
@pytest.mark.parametrize("seed", [seed for seed in range(150) if random_pool2d(seed).dilation == (1, 1)])
def test_random_configurations_agree_with_torch(seed: int):
    torch = pytest.importorskip("torch")
    p, rng = random_pool2d(seed), np.random.default_rng(seed)
    batch = int(rng.choice([1, 2, 5, 16, 19]))
    x, dy = reals(rng, (batch, p.channels, *p.image)), reals(rng, (batch, *p.output))
    tx, sides = torch.tensor(x, requires_grad=True), (p.padding[0], p.padding[2])
    ty = torch.nn.functional.avg_pool2d(
        tx, p.kernel, p.stride, sides, p.ceil_mode, p.count_include_pad, p.divisor_override
    )
    ty.backward(torch.tensor(dy))
    y = functional.avg_pool2d(x, p.kernel, **p.avg_options)
    np.testing.assert_allclose(y, ty.detach().numpy(), rtol=0, atol=2e-6)
    dx = functional.avg_pool2d_backward(dy, x, p.kernel, **p.avg_options)
    np.testing.assert_allclose(dx, tx.grad.numpy(), rtol=0, atol=1e-5)


def test_stride_is_the_kernel_where_none_is_given(rng: np.random.Generator):
    x = reals(rng, (2, 2, 7, 9))
    assert np.array_equal(functional.avg_pool2d(x, (2, 3)), functional.avg_pool2d(x, (2, 3), (2, 3)))
    assert np.array_equal(functional.avg_pool2d(x, 2), functional.avg_pool2d(x, (2, 2), 2))


def test_ceil_mode_counts_only_taps_on_the_padded_image(isa: str):
    """The golden values of PyTorch for 1..16, kernel 3, stride 2, padding 1."""
    x = np.arange(1, 17, dtype=np.float32).reshape(1, 1, 4, 4)
    y = functional.avg_pool2d(x, 3, 2, 1, ceil_mode=True)
    expected = [[14 / 9, 10 / 3, 2], [19 / 3, 11, 6], [4.5, 7.5, 4]]
    np.testing.assert_allclose(y[0, 0], expected, rtol=2e-7)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("batch", [1, 17])
def test_a_pixel_that_is_no_number_reaches_its_windows_and_no_others(bad: float, batch: int, isa: str):
    x = np.ones((batch, 2, 5, 6), np.float32)
    x[batch - 1, 1, 2, 3] = bad
    y = functional.avg_pool2d(x, (2, 3), stride=(1, 2), padding=(1, 0))
    expected = oracle.forward(x, (2, 3), (1, 2), (1, 1, 0, 0))
    np.testing.assert_array_equal(np.isfinite(y), np.isfinite(expected))
    np.testing.assert_array_equal(y[~np.isfinite(y)], expected[~np.isfinite(expected)])


def test_the_mean_of_twenty_million_ones_is_one(isa: str):
    """A single chain of float32 additions stops at 2^24, and would give 0.83."""
    assert functional.avg_pool2d(np.ones((1, 1, 4500, 4500), np.float32), 4500).item() == 1.0
