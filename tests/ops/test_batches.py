"""An image's result is its own: not of the images beside it, its place in the batch, threads or registers."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from configurations import CONV2D, LARGE_CONV2D, POOL2D, Conv2d, Pool2d
from convlet import _core, functional
from op_calls import CALLS, Call
from tolerances import assert_same_bits

BATCHES = (1, 2, 3, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33, 70)


def convolution_calls(c: Conv2d) -> Iterator[Call]:
    x, weight, dy = (-1, c.channels, *c.image), c.weight_shape, (-1, *c.output)
    filters = {"weight": weight, "bias": (c.outputs,)} if c.bias else {"weight": weight}
    forward, backward = functional.conv2d, functional.conv2d_backward
    yield Call(f"conv2d, {c.name}", partial(forward, **c.options), {"x": x, **filters}, (0,))
    shapes = {"dy": dy, "x": x, "weight": weight}
    yield Call(f"conv2d_backward, {c.name}", partial(backward, **c.options), shapes, (0,))


def pooling_calls(p: Pool2d) -> Iterator[Call]:
    x, dy = (-1, p.channels, *p.image), (-1, *p.output)
    options = {"kernel_size": p.kernel, **p.max_options}
    run = partial(functional.max_pool2d, **options, return_indices=True)
    yield Call(f"max_pool2d, {p.name}", run, {"x": x}, (0, 1))
    yield Call(
        f"max_pool2d_backward, {p.name}",
        partial(functional.max_pool2d_backward, **options),
        {"dy": dy, "x": x},
        (0,),
    )
    options = {"kernel_size": p.kernel, **p.avg_options}
    yield Call(f"avg_pool2d, {p.name}", partial(functional.avg_pool2d, **options), {"x": x}, (0,))
    yield Call(
        f"avg_pool2d_backward, {p.name}",
        partial(functional.avg_pool2d_backward, **options),
        {"dy": dy, "x": x},
        (0,),
    )


def dense_calls(inputs: int, outputs: int) -> Iterator[Call]:
    x, weight, dy = (-1, inputs), (outputs, inputs), (-1, outputs)
    shapes = {"x": x, "weight": weight, "bias": (outputs,)}
    yield Call(f"linear, {inputs} to {outputs}", functional.linear, shapes, (0,))
    shapes = {"dy": dy, "x": x, "weight": weight}
    yield Call(f"linear_backward, {inputs} to {outputs}", functional.linear_backward, shapes, (0,))


WIDE = (
    Conv2d("64 to 70 channels", 64, (4, 5), 70, (3, 3), padding=(1, 1, 1, 1)),
    Conv2d("17 to 80 channels in groups", 34, (5, 4), 160, (2, 3), (1, 2), (1, 0, 0, 2), (2, 1), 2),
)
HEAVY = [call for c in (LARGE_CONV2D[0], LARGE_CONV2D[1], *WIDE) for call in convolution_calls(c)] + [
    *dense_calls(400, 120),
    *dense_calls(65, 257),
]
MORE = [
    *(call for c in CONV2D for call in convolution_calls(c)),
    *(call for p in POOL2D for call in pooling_calls(p)),
    *dense_calls(1, 1),
    *dense_calls(5, 40),
]
EVERY = [*CALLS, *MORE, *HEAVY]


@pytest.mark.parametrize("call", EVERY, ids=lambda call: call.name)
def test_every_row_is_that_image_alone(call: Call, isa: str):
    """The last images of 70, so that each of them takes every place in a batch."""
    arrays = call.arrays(np.random.default_rng(70), 70)
    alone = [call(**call.images(arrays, slice(i, i + 1))) for i in range(70)]
    for batch in BATCHES:
        together = call(**call.images(arrays, slice(70 - batch, 70)))
        for n in call.by_image:
            expected = np.concatenate([results[n] for results in alone[70 - batch :]])
            assert_same_bits(together[n], expected, f"{call.name}, batch {batch}")


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
@pytest.mark.parametrize("batch", [7, 16, 257])
def test_the_same_bits_for_any_number_of_threads(call: Call, batch: int, isa: str, threads: int):
    check_threads(call, batch)


@pytest.mark.parametrize("call", HEAVY, ids=lambda call: call.name)
@pytest.mark.parametrize("batch", [1, 3, 37])
def test_the_same_bits_of_heavy_work_for_any_number_of_threads(
    call: Call, batch: int, isa: str, threads: int
):
    check_threads(call, batch)


def check_threads(call: Call, batch: int) -> None:
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


@pytest.mark.parametrize("call", EVERY, ids=lambda call: call.name)
def test_avx2_and_avx512_give_the_same_bits(call: Call):
    if not {"avx2", "avx512"} <= set(_core.available_isas()):
        pytest.skip("this machine has no AVX-512")
    before = _core.isa()
    try:
        for batch in (1, 3, 13, 16, 33):
            arrays, results = call.arrays(np.random.default_rng(batch), batch), []
            for name in ("avx2", "avx512"):
                _core.select_isa(name)
                results.append(call(**arrays))
            for result, expected in zip(*results, strict=True):
                assert_same_bits(result, expected, f"{call.name}, batch {batch}")
    finally:
        _core.select_isa(before)


def added_by_tiles(parts: list[NDArray[Any]]) -> NDArray[Any]:
    """The images of a tile as a tree, image n and image n + 8 first, then 4, 2, 1; the tiles in order."""
    total = zeros = np.zeros_like(parts[0])
    for tile in range(0, len(parts), 16):
        lanes = (parts[tile : tile + 16] + 16 * [zeros])[:16]
        for step in (8, 4, 2, 1):
            lanes = [a + b for a, b in zip(lanes[:step], lanes[step:], strict=True)]
        total = total + lanes[0]
    return total


@pytest.mark.parametrize(
    "call",
    [call for call in EVERY if "weight" in call.shapes and "dy" in call.shapes],
    ids=lambda call: call.name,
)
def test_a_batch_adds_the_gradients_of_its_images_alone_as_a_tree(call: Call, isa: str):
    """Single images and whole tiles go different ways; a dense layer's weight takes its images one by one."""
    arrays = call.arrays(np.random.default_rng(70), 70)
    alone = [call(**call.images(arrays, slice(i, i + 1))) for i in range(70)]
    dense = call.name.startswith("linear")
    for batch in BATCHES:
        _, dweight, dbias = call(**call.images(arrays, slice(70 - batch, 70)))
        last = alone[70 - batch :]
        assert_same_bits(dbias, added_by_tiles([db for _, _, db in last]), f"dbias, batch {batch}")
        if not dense:
            assert_same_bits(dweight, added_by_tiles([dw for _, dw, _ in last]), f"dweight, batch {batch}")


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_an_empty_batch_gives_an_empty_batch_and_no_gradient(call: Call, isa: str):
    results = call(**call.arrays(np.random.default_rng(0), 0))
    for n, result in enumerate(results):
        if n in call.by_image:
            assert result.shape[0] == 0
        else:
            assert not result.any()
