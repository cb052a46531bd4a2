"""However an array lies in memory and whatever its type, an op gives what it gives for C-ordered float32."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from convlet import functional
from layouts import LAYOUTS
from op_calls import CALLS, Call
from tolerances import assert_same_bits

TYPES = ["f2", "f8", "g", ">f4", ">f8", "u1", "i1", "u2", "i2", "i4", ">i4", "i8", "u8"]


def small_counts(call: Call, rng: np.random.Generator, batch: int) -> dict[str, NDArray[Any]]:
    """Numbers 0 to 4, which every type holds."""
    return {
        name: rng.integers(0, 5, a.shape).astype(np.int64 if name == "target" else np.float32)
        for name, a in call.arrays(rng, batch).items()
    }


def check(
    call: Call, arrays: dict[str, NDArray[Any]], change: Callable[[NDArray[Any]], NDArray[Any]]
) -> None:
    """The results stay the same whether one argument is changed or all of them."""
    expected = call(**arrays)
    changed = {name: change(a) for name, a in arrays.items()}
    for variant in [changed, *(arrays | {name: changed[name]} for name in arrays)]:
        kept = {name: a.copy() for name, a in variant.items()}
        for actual, wanted in zip(call(**variant), expected, strict=True):
            assert_same_bits(actual, wanted, call.name)
        for name, a in variant.items():
            assert np.array_equal(a, kept[name]), f"{call.name} wrote to {name}"


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
@pytest.mark.parametrize("batch", [1, 17])
def test_any_layout(call: Call, layout: Callable[..., Any], batch: int, rng: np.random.Generator):
    check(call, call.arrays(rng, batch), layout)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
@pytest.mark.parametrize("kind", TYPES)
def test_any_real_type(call: Call, kind: str, rng: np.random.Generator):
    arrays = small_counts(call, rng, 3)
    target = {"target": arrays["target"]} if "target" in arrays else {}
    changed = {name: a.astype(kind) for name, a in arrays.items()} | target
    for actual, expected in zip(call(**changed), call(**arrays), strict=True):
        assert_same_bits(actual, expected, call.name)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_results_are_new_arrays_in_c_order(call: Call, rng: np.random.Generator):
    arrays = call.arrays(rng, 2)
    for result in call(**arrays):
        assert result.flags.c_contiguous
        assert result.flags.writeable
        assert result.dtype == (
            np.int64 if call.name == "max_pool2d" and result.dtype.kind == "i" else np.float32
        )
        assert not any(np.shares_memory(result, a) for a in arrays.values())


def test_bytes_are_numbers_here_and_not_scaled():
    """Only a network scales uint8 images to 0..1."""
    x = np.array([[[[255]]]], np.uint8)
    assert functional.conv2d(x, np.ones((1, 1, 1, 1))).item() == 255
    assert functional.max_pool2d(x, 1).item() == 255
    assert functional.linear(x.reshape(1, 1), np.ones((1, 1))).item() == 255
    assert functional.relu(x).item() == 255


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
@pytest.mark.parametrize("kind", ["c8", "c16", "?", "O", "U3", "M8[s]"])
def test_what_is_no_real_number_is_refused(call: Call, kind: str, rng: np.random.Generator):
    arrays = small_counts(call, rng, 2)
    for name, a in arrays.items():
        wrong = np.zeros(a.shape, kind)
        with pytest.raises(TypeError, match=rf"{call.name}: expected .* got dtype"):
            call(**(arrays | {name: wrong}))
