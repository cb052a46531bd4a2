"""Every output is the chain of multiply-adds that is written here, bit for bit, whatever computes it.

A chain starts at the bias, or at zero, and goes through input channel, kernel row and kernel column; a tap in
the padding is no part of it. Chains of more than 8192 taps are cut at places that follow from the shapes: the
first part starts at the bias, every other one at zero, and the parts are added in order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from configurations import CONV2D, LARGE_CONV2D, Conv2d, reals
from convlet import functional
from oracle import conv2d as oracle
from tolerances import assert_same_bits

Array = NDArray[np.float32]
MultiplyAdd = Callable[[Array, Array, Array], Array]

LONGEST = 8192


def fused(a: Array, b: Array, c: Array) -> Array:
    """The float32 next to a * b + c, rounded once; every value finite.

    A product of two float32 has 48 bits, so float64 holds it exactly. The sum of it and c is exactly s + e,
    with the error term e of the float64 sum s (Knuth). Where e is not zero, s moves to that one of the two
    float64 around the exact sum whose last bit is odd. This number, rounded to odd, has 53 bits, more than
    24 + 1, so the float32 next to it is also the float32 next to the exact sum (Boldo and Melquiond, 2008),
    at ties and below the normal numbers too.
    """
    p, c = a.astype(np.float64) * b, c.astype(np.float64)
    s = p + c
    q = s - p
    e = (p - (s - q)) + (c - q)
    even = (s.view(np.int64) & 1) == 0
    odd = np.where((e != 0) & even, np.nextafter(s, np.where(e > 0, np.inf, -np.inf)), s)
    return odd.astype(np.float32)


def rounded_twice(a: Array, b: Array, c: Array) -> Array:
    """What an instruction set without fused multiply-adds computes."""
    return a * b + c


def arithmetic(isa: str) -> MultiplyAdd:
    return rounded_twice if isa == "baseline" else fused


def parts(channels: int, kernel: tuple[int, int]) -> list[list[tuple[int, int, int]]]:
    """The taps (channel, kernel row, kernel column) of a whole chain, in order, between its cuts."""
    height, width = kernel
    some = max(1, LONGEST // (height * width))
    rows = height if height * width <= LONGEST else max(1, LONGEST // width)
    return [
        [
            (c, kh, kw)
            for c in range(first, min(first + some, channels))
            for kh in range(row, min(row + rows, height))
            for kw in range(column, min(column + LONGEST, width))
        ]
        for first in range(0, channels, some)
        for row in range(0, height, rows)
        for column in range(0, width, LONGEST)
    ]


def meetings(n: int, outputs: int, kernel: int, stride: int, before: int, dilation: int) -> list[Any]:
    """Along one axis, for every tap: the outputs whose tap lies on the image, and the pixels met there."""
    out = np.arange(outputs)
    pixels = [out * stride + tap * dilation - before for tap in range(kernel)]
    seen = [(pixel >= 0) & (pixel < n) for pixel in pixels]
    return [(out[s], pixel[s]) for s, pixel in zip(seen, pixels, strict=True)]


def axes_of(c: Conv2d) -> tuple[list[Any], list[Any]]:
    return tuple(
        meetings(c.image[a], c.output[1 + a], c.kernel[a], c.stride[a], c.padding[2 * a], c.dilation[a])
        for a in (0, 1)
    )


def forward(c: Conv2d, x: Array, weight: Array, bias: Array | None, multiply_add: MultiplyAdd) -> Array:
    """All chains side by side, (N, C, H, W) -> (N, O, OH, OW)."""
    x = x.reshape(len(x), c.groups, -1, *c.image)
    weight = weight.reshape(c.groups, -1, *weight.shape[1:], 1, 1)
    y = np.zeros((len(x), c.groups, c.outputs // c.groups, *c.output[1:]), np.float32)
    if bias is not None:
        y[...] = bias.reshape(c.groups, -1, 1, 1)
    rows, columns = axes_of(c)
    for n, part in enumerate(parts(x.shape[2], c.kernel)):
        sums = np.zeros_like(y) if n else y
        for channel, kh, kw in part:
            (oh, ih), (ow, iw) = rows[kh], columns[kw]
            at = np.s_[..., oh[:, None], ow]
            pixels = x[:, :, channel][:, :, None, ih[:, None], iw]
            sums[at] = multiply_add(weight[:, :, channel, kh, kw], pixels, sums[at])
        y = y + sums if n else sums
    return y.reshape(len(x), *c.output)


def input_gradient(c: Conv2d, dy: Array, weight: Array, multiply_add: MultiplyAdd) -> Array:
    """The same chains over output channel, kernel row and kernel column, from zero."""
    dy = dy.reshape(len(dy), c.groups, -1, *c.output[1:])
    weight = weight.reshape(c.groups, -1, *weight.shape[1:], 1, 1)
    dx = np.zeros((len(dy), c.groups, c.channels // c.groups, *c.image), np.float32)
    rows, columns = axes_of(c)
    for n, part in enumerate(parts(dy.shape[2], c.kernel)):
        sums = np.zeros_like(dx) if n else dx
        for output, kh, kw in part:
            (oh, ih), (ow, iw) = rows[kh], columns[kw]
            at = np.s_[..., ih[:, None], iw]
            slopes = dy[:, :, output][:, :, None, oh[:, None], ow]
            sums[at] = multiply_add(weight[:, output, :, kh, kw], slopes, sums[at])
        dx = dx + sums if n else sums
    return dx.reshape(len(dy), c.channels, *c.image)


@cache
def convolution(c: Conv2d, images: int, multiply_add: MultiplyAdd) -> tuple[Any, ...]:
    """x, weight, bias and dy, and what the chains make of them."""
    rng = np.random.default_rng(images)
    x, weight = reals(rng, (images, c.channels, *c.image)), reals(rng, c.weight_shape)
    bias = reals(rng, (c.outputs,)) if c.bias else None
    dy = reals(rng, (images, *c.output))
    y = forward(c, x, weight, bias, multiply_add)
    return (x, weight, bias, dy), y, input_gradient(c, dy, weight, multiply_add)


def check_convolution(c: Conv2d, images: int, batches: tuple[int, ...], isa: str) -> None:
    """The last images of a batch of `images`, so that each of them takes every place in a tile."""
    (x, weight, bias, dy), y, dx = convolution(c, images, arithmetic(isa))
    for batch in (batch for batch in batches if batch <= images):
        last = slice(images - batch, None)
        assert_same_bits(functional.conv2d(x[last], weight, bias, **c.options), y[last], f"y, batch {batch}")
        dx_of_isa, _, _ = functional.conv2d_backward(dy[last], x[last], weight, **c.options)
        assert_same_bits(dx_of_isa, dx[last], f"dx, batch {batch}")


def hard_sums(rng: np.random.Generator) -> Iterator[tuple[Array, Array, Array]]:
    """Factors and addends that cancel, meet at ties or next to them, or leave the range of normal numbers."""
    count = 400
    for low, high in ((-3, 3), (-30, 30), (-75, -60), (-70, 10)):
        a, b, c = (np.ldexp(reals(rng, (count,)), rng.integers(low, high, count)) for _ in range(3))
        yield a, b, c
        yield a, b, -(a * b)
    whole = rng.integers(2**23, 2**24, count).astype(np.float32)
    half = rng.choice([-0.5, 0.5], count).astype(np.float32)
    above, below = np.float32(1 + 2**-23), np.full(count, 1 - 2**-23, np.float32)
    yield half, np.ones(count, np.float32), whole
    yield half * above, below, whole  # 2 ** -47 from a tie
    small = whole * np.float32(2.0**-149)
    yield half * np.float32(2.0**-70), np.full(count, 2.0**-79, np.float32), small
    yield half * above * np.float32(2.0**-70), below * np.float32(2.0**-79), small


def nearest(exact: Fraction) -> np.float32:
    """The float32 next to a fraction, the even one of two."""
    about = np.float32(float(exact))
    around = [np.nextafter(about, np.float32(-np.inf)), about, np.nextafter(about, np.float32(np.inf))]
    return min(around, key=lambda f: (abs(Fraction(float(f)) - exact), int(f.view(np.uint32)) & 1))


def test_a_fused_multiply_add_of_the_model_rounds_the_exact_sum_once(rng: np.random.Generator):
    by_float64 = 0
    for a, b, c in hard_sums(rng):
        actual = fused(a, b, c)
        numbers = zip(a.tolist(), b.tolist(), c.tolist(), strict=True)
        exact = [Fraction(p) * Fraction(q) + Fraction(r) for p, q, r in numbers]
        expected = np.array([nearest(e) for e in exact])
        assert np.array_equal(actual, expected)
        assert np.array_equal(np.signbit(actual), [e < 0 for e in exact])
        by_float64 += np.count_nonzero((a.astype(np.float64) * b + c).astype(np.float32) != expected)
    assert by_float64 > 100  # wrong, had the sum been rounded to float64 first


def test_order_and_rounding_of_a_chain_show_in_its_bits():
    """A model that would agree with any order of the taps would prove nothing."""
    c = LARGE_CONV2D[1]
    (x, weight, bias, _), y, _ = convolution(c, 1, fused)
    turned = forward(c, x[:, ::-1], weight[:, ::-1], bias, fused)
    flipped = Conv2d("flipped", c.channels, c.image, c.outputs, c.kernel)
    upside_down = forward(flipped, x[..., ::-1, :], weight[..., ::-1, :], bias, fused)[..., ::-1, :]
    mirrored = forward(flipped, x[..., ::-1], weight[..., ::-1], bias, fused)[..., ::-1]
    biased_last = forward(c, x, weight, None, fused) + bias[:, None, None]
    for other in (turned, upside_down, mirrored, biased_last, forward(c, x, weight, bias, rounded_twice)):
        assert np.allclose(other, y, atol=1e-4)
        assert np.mean(other != y) > 0.1


FEW_CHANNELS = [
    Conv2d(f"{width} wide", 1, (7, width), 6, (5, 5), padding=(2, 2, 2, 2))
    for width in (1, 5, 15, 16, 17, 28, 31, 33)
]
LONG_ROWS = [
    Conv2d("long rows, four different paddings", 2, (5, 47), 3, (3, 4), padding=(1, 2, 3, 0)),
    Conv2d("long rows, stride down", 3, (9, 30), 2, (3, 2), stride=(2, 1), padding=(1, 0, 0, 3)),
    Conv2d("long rows, dilation", 1, (7, 32), 9, (2, 3), padding=(1, 0, 4, 5), dilation=(2, 7)),
    Conv2d("long rows in groups", 4, (4, 31), 4, (2, 3), padding=(0, 1, 2, 5), dilation=(1, 3), groups=2),
    Conv2d("long rows without a bias", 2, (3, 64), 5, (1, 7), padding=(0, 0, 3, 3), bias=False),
]
MANY_CHANNELS = [
    Conv2d("16 channels", 3, (7, 6), 16, (3, 3), padding=(1, 1, 1, 1)),
    Conv2d("17 to 40 channels, stride", 17, (7, 8), 40, (3, 2), (2, 3), (2, 1, 0, 3)),
    Conv2d("32 channels in groups", 34, (6, 5), 32, (2, 3), padding=(1, 0, 0, 2), dilation=(2, 1), groups=2),
    Conv2d("64 channels", 40, (4, 5), 64, (1, 2)),
]
SHORT = [*CONV2D, LARGE_CONV2D[1], *FEW_CHANNELS, *LONG_ROWS, *MANY_CHANNELS]
CUT = [
    Conv2d("cut at channel 910", 915, (3, 4), 3, (3, 3), padding=(1, 0, 1, 0)),
    Conv2d("cut at channel 8192, one by one", 8197, (1, 3), 2, (1, 1)),
    Conv2d("cut twice, many outputs", 70, (16, 17), 17, (16, 15), padding=(0, 0, 1, 0)),
    Conv2d("gradient cut at output 2048", 2, (3, 3), 2053, (2, 2)),
    Conv2d("cut at kernel row 68", 2, (69, 119), 2, (70, 120), padding=(1, 0, 1, 1)),
    Conv2d("cut at kernel row 2 of 3000 columns", 1, (3, 3001), 1, (3, 3000), padding=(0, 0, 0, 1)),
    Conv2d("cut at every row of 9000 columns, and within it", 1, (2, 9000), 1, (2, 9000)),
]
LARGE = {
    LARGE_CONV2D[3]: (1, 16),
    Conv2d("two bands of long rows", 1, (101, 103), 6, (3, 3), padding=(1, 1, 1, 1)): (1, 2),
    Conv2d("two bands of 16 channels", 3, (48, 47), 16, (3, 2), padding=(1, 1, 0, 1)): (1, 2),
}
BATCHES = (1, 2, 3, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33, 70)


@pytest.mark.parametrize("configuration", SHORT, ids=lambda c: c.name)
def test_a_convolution_and_its_input_gradient_are_chains(configuration: Conv2d, isa: str):
    images = 70 if np.prod(configuration.output) < 1000 else 33
    check_convolution(configuration, images, BATCHES, isa)


@pytest.mark.parametrize("configuration", LARGE, ids=lambda c: c.name)
def test_chains_of_large_images_do_not_depend_on_bands(configuration: Conv2d, isa: str):
    check_convolution(configuration, LARGE[configuration][-1], LARGE[configuration], isa)


@pytest.mark.parametrize("configuration", CUT, ids=lambda c: c.name)
def test_a_long_chain_is_cut_where_its_shape_says(configuration: Conv2d, isa: str):
    check_convolution(configuration, 16, (1, 16), isa)


@pytest.mark.parametrize("configuration", [*FEW_CHANNELS[5:6], *MANY_CHANNELS[1:]], ids=lambda c: c.name)
def test_a_chain_is_the_work_of_one_thread_however_many_there_are(
    configuration: Conv2d, isa: str, threads: int
):
    check_convolution(configuration, 70, BATCHES, isa)


@pytest.mark.parametrize(
    "batch, channels, outputs, side, kernel, padding",
    [
        pytest.param(17, 6, 3, 48, 3, 1, id="pixels of a few channels fill L2"),
        pytest.param(16, 64, 64, 8, 7, 3, id="weights of a few outputs fill L2"),
    ],
)
def test_work_on_a_few_channels_at_a_time_never_shows(
    batch: int, channels: int, outputs: int, side: int, kernel: int, padding: int, isa: str
):
    """An output has weights of its own, as has each channel of a gradient: alone it has the same bits."""
    rng = np.random.default_rng(8)
    x, weight = reals(rng, (batch, channels, side, side)), reals(rng, (outputs, channels, kernel, kernel))
    dy, bias = reals(rng, (batch, outputs, side, side)), reals(rng, (outputs,))
    y = functional.conv2d(x, weight, bias, padding=padding)
    dx, dweight, dbias = functional.conv2d_backward(dy, x, weight, padding=padding)
    for c in (0, 1, channels // 2, channels - 1):
        one = functional.conv2d_backward(dy, x[:, c : c + 1], weight[:, c : c + 1], padding=padding)
        assert_same_bits(dx[:, c : c + 1], one[0], f"dx of channel {c}")
        assert_same_bits(dweight[:, c : c + 1], one[1], f"dweight of channel {c}")
        assert_same_bits(dbias, one[2], f"dbias beside channel {c}")
    for o in (0, 1, outputs // 2, outputs - 1):
        part = functional.conv2d(x, weight[o : o + 1], bias[o : o + 1], padding=padding)
        assert_same_bits(y[:, o : o + 1], part, f"y of channel {o}")


DENSE = [(1, 1), (5, 16), (6, 23), (17, 40), (83, 64), (300, 135), (8197, 3), (8195, 21), (3, 8197)]


@pytest.mark.parametrize("inputs, outputs", DENSE)
def test_a_dense_layer_and_its_input_gradient_are_chains(inputs: int, outputs: int, isa: str):
    c, images = Conv2d("dense", inputs, (1, 1), outputs, (1, 1)), 33 if inputs + outputs > 1000 else 70
    (x, weight, bias, dy), y, dx = convolution(c, images, arithmetic(isa))
    x, weight, dy, y, dx = (a.reshape(a.shape[:2]) for a in (x, weight, dy, y, dx))
    for batch in (batch for batch in BATCHES if batch <= images):
        last = slice(images - batch, None)
        assert_same_bits(functional.linear(x[last], weight, bias), y[last], f"y, batch {batch}")
        dx_of_isa, _, _ = functional.linear_backward(dy[last], x[last], weight)
        assert_same_bits(dx_of_isa, dx[last], f"dx, batch {batch}")


@pytest.mark.parametrize("outputs", [1, 15, 16, 23, 40, 135])
def test_a_dense_chain_of_negative_zeros_stays_negative(outputs: int, isa: str):
    weight, bias = np.ones((outputs, 83), np.float32), np.full(outputs, -0.0, np.float32)
    for batch in (1, 3, 17, 70):
        y = functional.linear(np.full((batch, 83), -0.0, np.float32), weight, bias)
        assert_same_bits(y, np.full_like(y, -0.0), f"batch {batch}")


@pytest.mark.parametrize("images", [1, 16, 33, 1024, 1025, 2100])
def test_a_dense_weight_gradient_is_a_chain_over_images_cut_at_1024(images: int, isa: str, threads: int):
    rng, multiply_add = np.random.default_rng(images), arithmetic(isa)
    x, weight, dy = reals(rng, (images, 19)), reals(rng, (27, 19)), reals(rng, (images, 27))
    total: Any = None
    for first in range(0, images, 1024):
        sums = np.zeros_like(weight)
        for n in range(first, min(first + 1024, images)):
            sums = multiply_add(dy[n, :, None], x[n], sums)
        total = sums if first == 0 else total + sums
    assert_same_bits(functional.linear_backward(dy, x, weight)[1], total)


PADDED = [c for c in SHORT if any(c.padding)]


@pytest.mark.parametrize("configuration", PADDED, ids=lambda c: c.name)
@pytest.mark.parametrize("pixel, factor", [(-0.0, 1.0), (0.0, -1.0), (-1e-30, 1e-30), (1e-30, -1e-30)])
def test_a_chain_of_negative_zeros_stays_negative_beside_the_padding(
    configuration: Conv2d, pixel: float, factor: float, isa: str
):
    """One padded tap, read as zero and multiplied by a positive weight, would make it a positive zero."""
    c = configuration
    weight, bias = np.full(c.weight_shape, factor, np.float32), np.full(c.outputs, -0.0, np.float32)
    for batch in (1, 17):
        x = np.full((batch, c.channels, *c.image), pixel, np.float32)
        y = functional.conv2d(x, weight, bias, **c.options)
        assert_same_bits(y, np.full_like(y, -0.0), f"y, batch {batch}")
        dy = np.full((batch, *c.output), pixel, np.float32)
        dx, _, _ = functional.conv2d_backward(dy, x, weight, **c.options)
        assert_same_bits(dx, input_gradient(c, dy, weight, arithmetic(isa)), f"dx, batch {batch}")


@pytest.mark.parametrize("configuration", PADDED, ids=lambda c: c.name)
@pytest.mark.parametrize("batch", [1, 17])
def test_infinite_weights_and_slopes_give_no_nan_beside_the_padding(
    configuration: Conv2d, batch: int, isa: str
):
    c = configuration
    x, dy = np.ones((batch, c.channels, *c.image), np.float32), np.ones((batch, *c.output), np.float32)
    weight = np.ones(c.weight_shape, np.float32)
    dx, dweight, _ = oracle.backward(dy, x, weight, **c.options)
    y = functional.conv2d(x, np.full_like(weight, np.inf), **c.options)
    np.testing.assert_array_equal(y, np.where(oracle.forward(x, weight, **c.options) > 0, np.inf, 0))
    actual, _, _ = functional.conv2d_backward(dy, x, np.full_like(weight, np.inf), **c.options)
    np.testing.assert_array_equal(actual, np.where(dx > 0, np.inf, 0))
    _, actual, _ = functional.conv2d_backward(np.full_like(dy, np.inf), x, weight, **c.options)
    np.testing.assert_array_equal(actual, np.where(dweight > 0, np.inf, 0))
