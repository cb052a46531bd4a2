"""Every op on the device gives what it gives on the CPU: the same bits from integers, nearly so from others.

Forward passes of convolutions, dense layers, pooling and ReLU have the CPU's bits from real numbers too.
Other results differ by the order of a sum or the last places of exp, within RTOL of a tensor's largest value.
"""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from convlet import cuda, functional
from op_calls import CALLS, Arrays, Call
from tolerances import assert_same_bits, relative_to_largest

pytestmark = pytest.mark.usefixtures("device")

RTOL = 1e-5
"""Of a tensor's largest value: sums of some thousand products in another order."""
SAME_BITS = {"conv2d", "linear", "max_pool2d", "max_pool2d_backward", "avg_pool2d", "relu", "relu_backward"}


def uploaded(arrays: Arrays) -> dict[str, cuda.DeviceArray]:
    return {name: cuda.array(array) for name, array in arrays.items()}


def on_device(run: Any, arrays: Arrays) -> tuple[NDArray[Any], ...]:
    """The results of a call on copies there, every one a device array."""
    results = run(**uploaded(arrays))
    results = results if isinstance(results, tuple) else (results,)
    assert all(isinstance(result, cuda.DeviceArray) for result in results)
    return tuple(result.to_numpy() for result in results)


def on_host(run: Any, arrays: Arrays) -> tuple[NDArray[Any], ...]:
    results = run(**arrays)
    return results if isinstance(results, tuple) else (np.asarray(results),)


def integers(call: Call, rng: np.random.Generator, batch: int) -> Arrays:
    return {
        name: array if name == "target" else rng.integers(-4, 5, array.shape).astype(np.float32)
        for name, array in call.arrays(rng, batch).items()
    }


def compare(name: str, run: Any, arrays: Arrays, same_bits: bool) -> None:
    actual, expected = on_device(run, arrays), on_host(run, arrays)
    for mine, theirs in zip(actual, expected, strict=True):
        if same_bits:
            assert_same_bits(mine + 0, theirs + 0, name)  # the sign of a zero is free
            continue
        assert (mine.shape, mine.dtype) == (theirs.shape, theirs.dtype)
        assert np.array_equal(np.isfinite(mine), np.isfinite(theirs)), name
        assert relative_to_largest(mine, theirs) <= RTOL, name


CHAINS = [call for call in CALLS if "softmax" in call.name or "entropy" in call.name]
CURVES = [call for call in CALLS if call.name in ("sigmoid", "tanh")]
EXACT = [call for call in CALLS if call not in CHAINS + CURVES]


@pytest.mark.parametrize("call", EXACT, ids=lambda call: call.name)
@pytest.mark.parametrize("batch", [0, 1, 17])
def test_integers_give_the_bits_of_the_cpu(call: Call, batch: int, rng: np.random.Generator):
    compare(call.name, call.run, integers(call, rng, batch), same_bits=True)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
@pytest.mark.parametrize("batch", [0, 1, 17])
def test_real_numbers_give_nearly_the_same(call: Call, batch: int, rng: np.random.Generator):
    compare(call.name, call.run, call.arrays(rng, batch), same_bits=call.name in SAME_BITS)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_arguments_are_left_alone_and_the_same_call_gives_the_same_bits(call: Call, rng: np.random.Generator):
    arrays = call.arrays(rng, 5)
    there = uploaded(arrays)
    first, second = (call.run(**there) for _ in range(2))
    pairs = zip(first, second, strict=True) if isinstance(first, tuple) else [(first, second)]
    for a, b in pairs:
        assert_same_bits(a.to_numpy(), b.to_numpy(), call.name)
    for name, array in there.items():
        assert_same_bits(array.to_numpy(), arrays[name], f"{call.name} wrote to {name}")


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_views_at_any_address_of_their_type_will_do(call: Call, rng: np.random.Generator):
    """A part of a larger array begins at a multiple of four or eight bytes, not of a vector's."""
    arrays = integers(call, rng, 3)
    expected = on_device(call.run, arrays)
    shifted = {}
    for name, array in arrays.items():
        flat = cuda.array(np.concatenate([np.full(3, 77, array.dtype), array.ravel()]))
        shifted[name] = flat[3:].reshape(array.shape)
    results = call.run(**shifted)
    for mine, theirs in zip(results if isinstance(results, tuple) else (results,), expected, strict=True):
        assert_same_bits(mine.to_numpy(), theirs, call.name)


CONVOLUTIONS = [
    {"stride": (2, 1)}, {"padding": 2}, {"padding": (0, 3, 1, 2)}, {"padding": "same"}, {"dilation": (1, 3)},
    {"groups": 2}, {"groups": 4, "padding": 1}, {"stride": 3, "padding": (3, 1), "dilation": 2, "groups": 2},
]  # fmt: skip


@pytest.mark.parametrize("options", CONVOLUTIONS, ids=str)
def test_convolutions_of_every_option(options: dict[str, Any], rng: np.random.Generator):
    x = rng.integers(-4, 5, (3, 4, 12, 11)).astype(np.float32)
    weight = rng.integers(-4, 5, (8, 4 // options.get("groups", 1), 3, 4)).astype(np.float32)
    bias = rng.integers(-4, 5, 8).astype(np.float32)
    for extra in ({}, {"bias": bias}):
        arrays = {"x": x, "weight": weight, **extra}
        compare("conv2d", partial(functional.conv2d, **options), arrays, same_bits=True)
    y = functional.conv2d(x, weight, bias, **options)
    arrays = {"dy": rng.integers(-4, 5, y.shape).astype(np.float32), "x": x, "weight": weight}
    compare("conv2d_backward", partial(functional.conv2d_backward, **options), arrays, same_bits=True)


def test_one_picture_with_one_kernel():
    x, kernel = np.arange(9, dtype=np.float32).reshape(3, 3), np.arange(4, dtype=np.float32).reshape(2, 2)
    compare("corr2d", functional.corr2d, {"x": x, "kernel": kernel}, same_bits=True)


WINDOWS = [
    {"kernel_size": 2},
    {"kernel_size": (3, 2), "stride": (1, 2), "padding": 1},
    {"kernel_size": 3, "stride": 2, "padding": (1, 0, 0, 1), "ceil_mode": True},
    {"kernel_size": 2, "stride": 1, "padding": "same"},
    {"kernel_size": 2, "dilation": (3, 2)},
]
AVERAGES = [
    options | counting
    for options, counting in itertools.product(
        WINDOWS, ({}, {"count_include_pad": False}, {"divisor_override": 4})
    )
]


@pytest.mark.parametrize(
    "name, options", [("max", o) for o in WINDOWS] + [("avg", o) for o in AVERAGES], ids=str
)
def test_pooling_of_every_option(name: str, options: dict[str, Any], rng: np.random.Generator):
    forward, backward = (getattr(functional, f"{name}_pool2d{end}") for end in ("", "_backward"))
    x = rng.integers(-9, 10, (3, 2, 10, 9)).astype(np.float32)
    compare(name, partial(forward, **options), {"x": x}, same_bits=True)
    if name == "max":
        both = {**options, "return_indices": True}
        compare(name, partial(forward, **both), {"x": x}, same_bits=True)
    dy = rng.integers(-4, 5, forward(x, **options).shape).astype(np.float32)
    power_of_two = name == "max" or options.get("divisor_override") or options == WINDOWS[0]
    compare(name, partial(backward, **options), {"dy": dy, "x": x}, same_bits=bool(power_of_two))


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize(
    "shape", [(7,), (3, 5), (2, 5, 3), (2, 3, 4, 5), (4, 1), (2, 300), (0, 3), (2, 0, 3)]
)
def test_softmax_along_every_axis(name: str, shape: tuple[int, ...], rng: np.random.Generator):
    x, dy = (rng.standard_normal(shape).astype(np.float32) for _ in range(2))
    for dim in range(-len(shape), len(shape)):
        compare(name, partial(getattr(functional, name), dim=dim), {"x": x}, same_bits=False)
        arrays = {"dy": dy, "y": getattr(functional, name)(x, dim)}
        backward = getattr(functional, f"{name}_backward")
        compare(name, partial(backward, dim=dim), arrays, same_bits=False)


@pytest.mark.parametrize("start", [0, 1, -1, -2])
def test_flatten_shares_memory(start: int):
    x = cuda.array(np.arange(24.0).reshape(2, 3, 4))
    held = cuda.allocated_bytes()
    flat = functional.flatten(x, start)
    assert cuda.allocated_bytes() == held
    assert_same_bits(flat.to_numpy(), functional.flatten(x.to_numpy(), start))


LOSSES = [
    {"reduction": reduction, "label_smoothing": smoothing, "ignore_index": ignored}
    for reduction, smoothing, ignored in itertools.product(
        ("mean", "sum", "none"), (0.0, 0.1, 1.0), (-100, 2)
    )
]


@pytest.mark.parametrize("options", LOSSES, ids=str)
@pytest.mark.parametrize("shape", [(5,), (7, 5), (3, 5, 4), (2, 5, 3, 4), (2, 40)])
def test_losses_of_every_option_and_shape(
    options: dict[str, Any], shape: tuple[int, ...], rng: np.random.Generator
):
    axis = 1 if len(shape) > 1 else 0
    target = rng.integers(0, shape[axis], shape[:axis] + shape[axis + 1 :])
    target.reshape(-1)[0] = 1
    logits = rng.standard_normal(shape).astype(np.float32)
    weights = rng.uniform(0.5, 2, shape[axis]).astype(np.float32)
    for extra in ({}, {"weight": weights}):
        arrays = {"logits": logits, "target": np.asarray(target), **extra}
        for function in (functional.cross_entropy, functional.cross_entropy_backward):
            compare(function.__name__, partial(function, **options), arrays, same_bits=False)


def test_the_loss_is_an_array_of_one_number_there():
    loss = functional.cross_entropy(cuda.array([[0.0, 0.0]]), cuda.array([1]))
    assert loss.shape == ()
    assert loss.item() == pytest.approx(np.log(2))
    assert float(loss) == loss.item()


def test_confident_mistakes_have_a_large_but_finite_loss():
    logits = cuda.array(np.array([[1000, 0, -1000], [3e38, 0, 0]], np.float32))
    assert functional.cross_entropy(logits, cuda.array([2, 0]), reduction="none").to_numpy().tolist() == [
        2000,
        0,
    ]


def test_a_sum_over_nothing_is_zero():
    logits, target = cuda.array(np.zeros((0, 3))), cuda.array(np.zeros(0, np.int64))
    assert functional.cross_entropy(logits, target, reduction="sum").item() == 0
    assert functional.cross_entropy(logits, target, reduction="none").shape == (0,)
    assert functional.cross_entropy_backward(logits, target, reduction="sum").shape == (0, 3)
