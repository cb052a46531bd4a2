"""`functional.conv2d` and its backward: exact on integers, close on reals, PyTorch's meaning throughout."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from configurations import BATCHES, CONV2D, LARGE_CONV2D, Conv2d, random_conv2d, reals, small_integers
from convlet import functional
from oracle import conv2d as oracle
from tolerances import assert_close, assert_exact


@cache
def integer_case(c: Conv2d, batch: int):
    """Inputs, and what the oracle makes of them; shared by all instruction sets and thread counts."""
    rng = np.random.default_rng(batch)
    x, weight = small_integers(rng, (batch, c.channels, *c.image)), small_integers(rng, c.weight_shape)
    bias = small_integers(rng, (c.outputs,)) if c.bias else None
    dy = small_integers(rng, (batch, *c.output))
    y = oracle.forward(x, weight, bias, **c.options)
    return (x, weight, bias, dy), (y, *oracle.backward(dy, x, weight, **c.options))


def check_integers(c: Conv2d, batch: int) -> None:
    (x, weight, bias, dy), (y, dx, dweight, dbias) = integer_case(c, batch)
    assert_exact(functional.conv2d(x, weight, bias, **c.options), y, f"y, batch {batch}")
    for actual, expected, name in zip(
        functional.conv2d_backward(dy, x, weight, **c.options),
        (dx, dweight, dbias),
        ("dx", "dweight", "dbias"),
        strict=True,
    ):
        assert_exact(actual, expected, f"{name}, batch {batch}")


@pytest.mark.parametrize("configuration", CONV2D, ids=lambda c: c.name)
def test_integers_in_bits_out(configuration: Conv2d, isa: str, threads: int):
    for batch in BATCHES:
        check_integers(configuration, batch)


@pytest.mark.parametrize("configuration", LARGE_CONV2D, ids=lambda c: c.name)
def test_integers_in_bits_out_of_large_convolutions(configuration: Conv2d, isa: str, threads: int):
    check_integers(configuration, 35 if configuration.channels <= 6 else 18)


@pytest.mark.parametrize("configuration", [*CONV2D, *LARGE_CONV2D[1:3]], ids=lambda c: c.name)
def test_real_values_are_within_rounding(configuration: Conv2d, isa: str, rng: np.random.Generator):
    c, batch = configuration, 17
    x, weight, dy = reals(rng, (batch, c.channels, *c.image)), reals(rng, c.weight_shape), None
    bias = reals(rng, (c.outputs,)) if c.bias else None
    dy = reals(rng, (batch, *c.output))
    sizes = oracle.forward(abs(x), abs(weight), None if bias is None else abs(bias), **c.options)
    products = int(np.prod(c.weight_shape[1:]))
    y = functional.conv2d(x, weight, bias, **c.options)
    assert_close(y, oracle.forward(x, weight, bias, **c.options), sizes, products + 1, what="y")
    actual = functional.conv2d_backward(dy, x, weight, **c.options)
    expected = oracle.backward(dy, x, weight, **c.options)
    magnitudes = oracle.backward(abs(dy), abs(x), abs(weight), **c.options)
    positions = batch * c.output[1] * c.output[2]
    terms = (products * c.outputs // c.channels, positions, positions)
    for n, name in enumerate(("dx", "dweight", "dbias")):
        assert_close(actual[n], expected[n], magnitudes[n], terms[n], what=name)


@pytest.mark.torch
@pytest.mark.parametrize("seed", range(60))
def test_random_configurations_agree_with_torch(seed: int):
    torch = pytest.importorskip("torch")
    c, rng = random_conv2d(seed), np.random.default_rng(seed)
    batch = int(rng.choice([1, 2, 5, 16, 19]))
    x, weight = reals(rng, (batch, c.channels, *c.image)), reals(rng, c.weight_shape)
    bias = reals(rng, (c.outputs,)) if c.bias else None
    dy = reals(rng, (batch, *c.output))
    tx, tweight = (torch.tensor(a, requires_grad=True) for a in (x, weight))
    top, bottom, left, right = c.padding
    padded = torch.nn.functional.pad(tx, (left, right, top, bottom))
    tbias = None if bias is None else torch.tensor(bias)
    ty = torch.nn.functional.conv2d(padded, tweight, tbias, c.stride, 0, c.dilation, c.groups)
    ty.backward(torch.tensor(dy))
    dx, dweight, _ = functional.conv2d_backward(dy, x, weight, **c.options)
    y = functional.conv2d(x, weight, bias, **c.options)
    for actual, expected in ((y, ty.detach()), (dx, tx.grad), (dweight, tweight.grad)):
        largest = max(1.0, float(expected.abs().max()))
        np.testing.assert_allclose(actual, expected.numpy(), rtol=0, atol=1e-5 * largest)


@pytest.mark.parametrize(
    "padding, sides",
    [
        (0, (0, 0, 0, 0)),
        (2, (2, 2, 2, 2)),
        ((1, 3), (1, 1, 3, 3)),
        ((1, 2, 3, 0), (1, 2, 3, 0)),
        ("valid", (0, 0, 0, 0)),
        ("same", (2, 2, 1, 2)),
    ],
)
def test_every_form_of_padding(padding, sides, rng: np.random.Generator):
    """ "same" puts the odd cell of an even kernel below and to the right, as PyTorch does."""
    x, weight = small_integers(rng, (3, 2, 6, 7)), small_integers(rng, (4, 2, 3, 4))
    options = {"dilation": (2, 1)}
    expected = oracle.forward(x, weight, padding=sides, **options)
    assert_exact(functional.conv2d(x, weight, padding=padding, **options), expected)
    dy = small_integers(rng, expected.shape)
    actual = functional.conv2d_backward(dy, x, weight, padding=padding, **options)
    for a, e in zip(actual, oracle.backward(dy, x, weight, padding=sides, **options), strict=True):
        assert_exact(a, e)


def test_sizes_are_an_int_or_a_pair(rng: np.random.Generator):
    x, weight = small_integers(rng, (2, 3, 9, 8)), small_integers(rng, (2, 3, 3, 3))
    pairs = functional.conv2d(x, weight, stride=(2, 2), padding=(1, 1), dilation=(2, 2))
    assert np.array_equal(functional.conv2d(x, weight, stride=2, padding=1, dilation=2), pairs)
    assert np.array_equal(functional.conv2d(x, weight, stride=[2, 2], padding=[1, 1], dilation=[2, 2]), pairs)
    assert np.array_equal(functional.conv2d(x, weight, stride=np.int64(2), padding=1, dilation=2), pairs)


def test_corr2d_is_conv2d_of_one_image_and_one_kernel(rng: np.random.Generator):
    x, kernel = small_integers(rng, (6, 9)), small_integers(rng, (2, 5))
    y = functional.corr2d(x, kernel)
    assert y.shape == (5, 5)
    assert np.array_equal(y, functional.conv2d(x[None, None], kernel[None, None])[0, 0])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_pixel_that_is_no_number_reaches_its_windows_and_no_others(bad: float, isa: str):
    c = CONV2D[[c.name for c in CONV2D].index("everything")]
    rng = np.random.default_rng(1)
    x, weight = small_integers(rng, (18, c.channels, *c.image)), small_integers(rng, c.weight_shape)
    dy = small_integers(rng, (18, *c.output))
    x[3, 1, 4, 2] = x[17, 3, 0, 7] = bad
    with np.errstate(invalid="ignore"):
        y, gradients = oracle.forward(x, weight, **c.options), oracle.backward(dy, x, weight, **c.options)
    np.testing.assert_array_equal(functional.conv2d(x, weight, **c.options), y)
    for actual, expected in zip(
        functional.conv2d_backward(dy, x, weight, **c.options), gradients, strict=True
    ):
        np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("configuration", [c for c in CONV2D if any(c.padding)], ids=lambda c: c.name)
@pytest.mark.parametrize("batch", [1, 17])
def test_padding_is_skipped_even_under_an_infinite_weight(configuration: Conv2d, batch: int, isa: str):
    """0 * infinity is no number: a kernel that multiplies a border of zeros would print NaN along it."""
    c, rng = configuration, np.random.default_rng(2)
    x = rng.integers(1, 6, (batch, c.channels, *c.image)).astype(np.float32)
    weight = rng.integers(1, 6, c.weight_shape).astype(np.float32)
    dy = rng.integers(1, 6, (batch, *c.output)).astype(np.float32)
    weight[:, :, 0, 0] = np.inf
    weight[:, :, -1, -1] = np.inf
    np.testing.assert_array_equal(
        functional.conv2d(x, weight, **c.options), oracle.forward(x, weight, **c.options)
    )
    dx, _, _ = functional.conv2d_backward(dy, x, weight, **c.options)
    np.testing.assert_array_equal(dx, oracle.backward(dy, x, weight, **c.options)[0])
    dy[:, :, 0, 0] = dy[:, :, -1, -1] = np.inf
    finite = np.where(np.isinf(weight), 1, weight).astype(np.float32)
    _, dweight, _ = functional.conv2d_backward(dy, x, finite, **c.options)
    with np.errstate(invalid="ignore"):  # BLAS may multiply lanes that it leaves out
        expected = oracle.backward(dy, x, finite, **c.options)[1]
    np.testing.assert_array_equal(dweight, expected)
