"""Every number that the article works out by hand, from `functional` and from the layers alike."""

from __future__ import annotations

import numpy as np
import pytest

from convlet import functional, nn


def count(*shape: int, start: int = 0) -> np.ndarray:
    return np.arange(start, start + np.prod(shape), dtype=np.float32).reshape(shape)


def conv_layer(weight: np.ndarray, **options: object) -> nn.Conv2d:
    """A layer without bias that holds this kernel."""
    outputs, inputs, *kernel = weight.shape
    layer = nn.Conv2d(inputs, outputs, tuple(kernel), bias=False, **options)
    layer.weight[...] = weight
    return layer


CONVOLUTIONS = {
    "cross-correlation": ({}, [[19, 25], [37, 43]]),
    "padding": ({"padding": 1}, [[0, 3, 8, 4], [9, 19, 25, 10], [21, 37, 43, 16], [6, 7, 8, 0]]),
    "stride": ({"padding": 1, "stride": (3, 2)}, [[0, 8], [6, 8]]),
}


@pytest.mark.parametrize("options, expected", CONVOLUTIONS.values(), ids=CONVOLUTIONS)
def test_one_channel(options: dict, expected: list, isa: str):
    x, weight = count(1, 1, 3, 3), count(1, 1, 2, 2)
    assert functional.conv2d(x, weight, **options).tolist() == [[expected]]
    assert conv_layer(weight, **options)(x).tolist() == [[expected]]


def test_two_plain_arrays():
    assert functional.corr2d(count(3, 3), count(2, 2)).tolist() == [[19, 25], [37, 43]]


def stacked(*arrays: np.ndarray, axis: int) -> np.ndarray:
    return np.concatenate(arrays, axis=axis)


def test_many_input_channels(isa: str):
    x = stacked(count(1, 1, 3, 3), count(1, 1, 3, 3, start=1), axis=1)
    weight = stacked(count(1, 1, 2, 2), count(1, 1, 2, 2, start=1), axis=1)
    assert functional.conv2d(x, weight).tolist() == [[[[56, 72], [104, 120]]]]
    assert conv_layer(weight)(x).tolist() == [[[[56, 72], [104, 120]]]]


def test_many_output_channels(isa: str):
    """The kernel, the kernel plus one and the kernel plus two: one output channel each."""
    x = stacked(count(1, 1, 3, 3), count(1, 1, 3, 3, start=1), axis=1)
    kernel = stacked(count(1, 1, 2, 2), count(1, 1, 2, 2, start=1), axis=1)
    weight = stacked(kernel, kernel + 1, kernel + 2, axis=0)
    expected = [[[56, 72], [104, 120]], [[76, 100], [148, 172]], [[96, 128], [192, 224]]]
    assert functional.conv2d(x, weight).tolist() == [expected]
    assert conv_layer(weight)(x).tolist() == [expected]


def test_max_and_average_pooling(isa: str):
    x = count(1, 1, 3, 3)
    assert functional.max_pool2d(x, 2, stride=1).tolist() == [[[[4, 5], [7, 8]]]]
    assert nn.MaxPool2d(2, stride=1)(x).tolist() == [[[[4, 5], [7, 8]]]]
    assert functional.avg_pool2d(x, 2, stride=1).tolist() == [[[[2, 3], [5, 6]]]]
    assert nn.AvgPool2d(2, stride=1)(x).tolist() == [[[[2, 3], [5, 6]]]]


def test_pooling_with_padding_and_stride(isa: str):
    """The stride is the window's size where none is given."""
    x = count(1, 1, 4, 4)
    assert nn.MaxPool2d(3)(x).tolist() == [[[[10]]]]
    assert nn.MaxPool2d(3, padding=1, stride=2)(x).tolist() == [[[[5, 7], [13, 15]]]]
    assert nn.MaxPool2d((2, 3), stride=(2, 3), padding=(0, 1))(x).tolist() == [[[[5, 7], [13, 15]]]]


def test_each_channel_is_pooled_by_itself(isa: str):
    x = stacked(count(1, 1, 4, 4), count(1, 1, 4, 4, start=1), axis=1)
    expected = [[[[5, 7], [13, 15]], [[6, 8], [14, 16]]]]
    assert nn.MaxPool2d(3, padding=1, stride=2)(x).tolist() == expected


def test_edge_detector_marks_the_two_edges():
    x = np.ones((6, 8), np.float32)
    x[:, 2:6] = 0
    edges = functional.corr2d(x, [[1, -1]])
    assert edges.tolist() == 6 * [[0, 1, 0, 0, 0, -1, 0]]
    assert not functional.corr2d(x.T, [[1, -1]]).any()  # it sees vertical edges only


def test_convolution_in_the_strict_sense_turns_the_kernel_by_180_degrees():
    x, kernel = count(1, 12, start=3), count(1, 5)
    strict = np.convolve(x[0], kernel[0], mode="valid")
    assert functional.corr2d(x, kernel[::-1, ::-1]).tolist() == [strict.tolist()]
    assert functional.corr2d(x, kernel).tolist() != [strict.tolist()]
