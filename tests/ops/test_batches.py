"""An image's result is its own: not of the images beside it, nor of the threads or the place in the batch."""

from __future__ import annotations

import numpy as np
import pytest

from convlet import _core
from op_calls import CALLS, Call
from tolerances import assert_same_bits


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
@pytest.mark.parametrize("batch", [2, 15, 16, 17, 33, 70])
def test_every_row_is_that_image_alone(call: Call, batch: int, isa: str):
    arrays = call.arrays(np.random.default_rng(batch), batch)
    together = call(**arrays)
    for i in range(batch):
        alone = call(**call.images(arrays, slice(i, i + 1)))
        for n in call.by_image:
            assert_same_bits(together[n][i : i + 1], alone[n], f"{call.name}, image {i} of {batch}")


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
@pytest.mark.parametrize("batch", [7, 16, 257])
def test_the_same_bits_for_any_number_of_threads(call: Call, batch: int, isa: str, threads: int):
    arrays = call.arrays(np.random.default_rng(batch), batch)
    results = call(**arrays)
    _core.set_threads(1)
    for result, expected in zip(results, call(**arrays), strict=True):
        assert_same_bits(result, expected, call.name)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_the_same_bits_from_call_to_call(call: Call, threads: int):
    arrays = call.arrays(np.random.default_rng(3), 100)
    first = call(**arrays)
    for _ in range(5):
        for result, expected in zip(call(**arrays), first, strict=True):
            assert_same_bits(result, expected, call.name)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_an_empty_batch_gives_an_empty_batch_and_no_gradient(call: Call, isa: str):
    results = call(**call.arrays(np.random.default_rng(0), 0))
    for n, result in enumerate(results):
        if n in call.by_image:
            assert result.shape[0] == 0
        else:
            assert not result.any()
