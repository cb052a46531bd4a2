"""The list of convolutions: complete, each once and within the limits, and batches reduced by the rule."""

from __future__ import annotations

import importlib
import math
import sys
from dataclasses import replace

import pytest

if sys.version_info < (3, 11):
    pytest.importorskip("tomli")

BATCHES = [1, 2, 4, 8, 15, 16, 17, 32, 64, 128, 255, 256, 257, 512, 1024, 4096]
IMAGES = [8, 14, 28, 32, 64, 96, 224]
CHANNELS = [(1, 6), (3, 6), (6, 16), (16, 32), (32, 64), (64, 128), (128, 256)]
LAYERS = [  # batch, image, channels, kernel, padding, stride
    (256, 28, (1, 6), 5, 2, 1),
    (256, 14, (6, 16), 5, 0, 1),
    (64, 32, (3, 32), 3, 1, 1),
    (64, 32, (32, 32), 3, 1, 1),
    (64, 16, (32, 64), 3, 1, 1),
    (64, 16, (64, 64), 3, 1, 1),
    (64, 8, (64, 128), 3, 1, 1),
    (64, 16, (64, 64), 1, 0, 1),
    (64, 32, (32, 64), 3, 1, 2),
]
BASES = {"A": LAYERS[1], "B": LAYERS[4]}


@pytest.fixture
def shapes():
    return importlib.import_module("shapes")


@pytest.fixture
def cells(shapes):
    return shapes.conv_cells(shapes.read())


def asked(shapes) -> dict[str, list]:
    """What each base's axes must hold, before the limits."""
    found = {}
    for name, sizes in BASES.items():
        base = shapes.Shape(*sizes)
        found |= {
            f"{name} batch": [replace(base, batch=n) for n in BATCHES],
            f"{name} image": [replace(base, image=n) for n in IMAGES],
            f"{name} channels": [replace(base, channels=pair) for pair in CHANNELS],
            f"{name} kernel": [
                replace(base, kernel=k, padding=(k - 1) // 2 if name == "B" else 0) for k in (1, 3, 5, 7)
            ],
            f"{name} stride": [replace(base, stride=n) for n in (1, 2)],
        }
    return found


def test_layers_are_complete_on_one_thread_and_on_two_in_both_ops(shapes, cells):
    measured = {(cell.shape, cell.threads, cell.op) for cell in cells}
    for sizes in LAYERS:
        for threads in (1, 2):
            for op in ("forward", "forward+backward"):
                assert (shapes.Shape(*sizes), threads, op) in measured


def test_axes_are_complete(shapes, cells):
    limits = shapes.limits_of(shapes.read())
    for axis, wanted in asked(shapes).items():
        for op in ("forward", "forward+backward"):
            measured = {cell.shape for cell in cells if axis in cell.places and cell.op == op}
            fitting = {replace(shape, batch=shapes.fitting_batch(shape, limits)) for shape in wanted}
            assert fitting <= measured, axis
            assert measured - fitting <= {shapes.Shape(*BASES[axis[0]])}, axis  # the base lies on every axis


def test_cells_are_measured_once_and_named_apart(cells):
    assert len({cell.name for cell in cells}) == len(cells)
    assert len({(cell.shape, cell.threads, cell.op) for cell in cells}) == len(cells)


def test_cells_keep_the_limits(cells):
    for cell in cells:
        s = cell.shape
        numbers = math.prod(s.x) + math.prod(s.w) + s.channels[1] + math.prod(s.y)
        assert 2 * 4 * numbers <= 512 * 2**20, cell.name
        multiply_adds = s.batch * s.channels[1] * s.side**2 * s.channels[0] * s.kernel**2
        assert 2 * multiply_adds <= 20e9, cell.name


def test_reduced_batch_is_named(cells):
    reduced = {cell.name: cell for cell in cells if cell.shape.batch != cell.asked_batch}
    assert len(reduced) == 10
    for name, cell in reduced.items():
        assert f"batch {cell.shape.batch} (for {cell.asked_batch}, which passes a limit)" in name
    assert not [cell.name for cell in cells if cell.name not in reduced and "limit" in cell.name]


@pytest.mark.parametrize(
    "images, expected",
    [(100, 100), (128, 128), (129, 128), (1000, 128)],
)
def test_batch_is_kept_or_reduced_to_the_largest_power_of_two_that_fits(shapes, images: int, expected: int):
    shape = shapes.Shape(images, 8, (1, 1), 1, 0, 1)
    of_128 = shapes.Limits(memory_bytes=float("inf"), forward_flop=128 * shape.flop)
    assert shapes.fitting_batch(shape, of_128) == expected
    bytes_of_128 = 2 * replace(shape, batch=128).forward_bytes
    assert shapes.fitting_batch(shape, shapes.Limits(bytes_of_128, float("inf"))) == expected


def test_sizes_of_a_convolution(shapes):
    shape = shapes.Shape(4, 32, (32, 64), 3, 1, 2)
    assert shape.y == (4, 64, 16, 16)
    assert shape.flop == 2 * 64 * 16 * 16 * 32 * 9
    assert shape.forward_bytes == 4 * (4 * 32 * 32 * 32 + 64 * 32 * 9 + 64 + 4 * 64 * 16 * 16)
    assert str(shape) == "32->64 k3 p1 s2 32x32"


def test_cliff_batches_begin_at_a_tile_and_pass_its_next_border(shapes):
    cliffs = shapes.read()["cliffs"]
    assert cliffs["batch"] == [*range(16, 34), 40, 48, 63, 64, 65]
    assert cliffs["worst_ratio"] == 1.5
