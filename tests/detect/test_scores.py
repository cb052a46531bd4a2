"""A net that slides over a picture gives what it gives for every window by itself."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from convlet import nn
from convlet.detect import natural_stride, score_map
from tolerances import assert_same_bits

TOLERANCE = 1e-5


def cropped(net, image, window, stride):
    """The oracle: cut out every window, and run the net on all of them."""
    views = sliding_window_view(image, window, axis=(1, 2))[:, :: stride[0], :: stride[1]]
    channels, rows, columns = views.shape[:3]
    crops = np.ascontiguousarray(views.transpose(1, 2, 0, 3, 4)).reshape(-1, channels, *window)
    return net(crops).reshape(rows, columns, -1).transpose(2, 0, 1)


def assert_same_bits_as_cropping(net, image, window, stride=None):
    steps = natural_stride(net, (len(image), *window)) if stride is None else stride
    assert_same_bits(score_map(net, image, window, stride), cropped(net, image, window, steps))


def valid_lenet(activation=nn.ReLU, pool=nn.MaxPool2d):
    """LeNet without padding."""
    body = nn.Conv2d(1, 6, 5), activation(), pool(2), nn.Conv2d(6, 16, 5), activation(), pool(2)
    return nn.Sequential(*body, nn.Flatten(), nn.Linear(256, 120), activation(), nn.Linear(120, 10))


NETS = {
    "padded max pooling in steps": (
        (3, 17, 25),
        lambda: nn.Sequential(
            nn.Conv2d(3, 8, 3, padding="same"),
            nn.ReLU(),
            nn.MaxPool2d(3, 2, 1),
            nn.Conv2d(8, 8, 3, stride=2, padding=(1, 0, 2, 1), groups=2, bias=False),
            nn.Tanh(),
            nn.Flatten(),
            nn.Linear(8 * 4 * 7, 7),
        ),
    ),
    "averages with and without the padding, rounded up": (
        (2, 15, 14),
        lambda: nn.Sequential(
            nn.AvgPool2d(3, 2, 1, ceil_mode=True),
            nn.Conv2d(2, 4, 3, dilation=2, padding=2),
            nn.AvgPool2d(2, 1, 1, count_include_pad=False),
            nn.AvgPool2d(3, 2, 1, ceil_mode=True, divisor_override=5),
            nn.Flatten(),
            nn.Linear(4 * 5 * 5, 3),
            nn.LogSoftmax(-1),
        ),
    ),
    "dilated maxima, rounded up": (
        (1, 20, 16),
        lambda: nn.Sequential(
            nn.MaxPool2d(2, 2, 1, dilation=2, ceil_mode=True),
            nn.Conv2d(1, 3, (3, 2), padding=(2, 1)),
            nn.Sequential(nn.Sigmoid(), nn.MaxPool2d((1, 2))),
            nn.Flatten(),
            nn.ReLU(),
            nn.Linear(3 * 13 * 5, 5, bias=False),
            nn.Softmax(1),
        ),
    ),
    "padding wider than the kernel": (
        (1, 8, 8),
        lambda: nn.Sequential(
            nn.Conv2d(1, 2, 2, padding=3), nn.ReLU(), nn.Flatten(), nn.Linear(2 * 13 * 13, 4)
        ),
    ),
    "padding all over the window": (
        (1, 6, 6),
        lambda: nn.Sequential(
            nn.Conv2d(1, 2, 5, padding=2), nn.Conv2d(2, 2, 5, padding=2), nn.Flatten(), nn.Linear(72, 4)
        ),
    ),
    "no dense layer": (
        (1, 12, 12),
        lambda: nn.Sequential(nn.Conv2d(1, 4, 5), nn.AvgPool2d(2), nn.Conv2d(4, 3, 4), nn.Flatten()),
    ),
    "one pooling over all that is left": (
        (1, 12, 12),
        lambda: nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.MaxPool2d(2), nn.AvgPool2d(6), nn.Flatten(), nn.Linear(4, 3)
        ),
    ),
    "no padding, dilation, groups, a single output in steps, softmax of the last axis": (
        (2, 21, 23),
        lambda: nn.Sequential(
            nn.Conv2d(2, 4, (3, 2), stride=(1, 2), dilation=(2, 1), groups=2, bias=False),
            nn.MaxPool2d(2, 1, dilation=2),
            nn.Sequential(nn.Tanh(), nn.AvgPool2d(3, 2, divisor_override=7)),
            nn.AvgPool2d((7, 4), (5, 9)),
            nn.Flatten(),
            nn.Linear(4, 6, bias=False),
            nn.Sigmoid(),
            nn.Linear(6, 3),
            nn.Softmax(-1),
        ),
    ),
    "padding that only rounding down leaves alone": (
        (1, 16, 16),
        lambda: nn.Sequential(
            nn.Conv2d(1, 2, 3, 2, padding=(0, 1, 0, 0)), nn.ReLU(), nn.Flatten(), nn.Linear(2 * 8 * 7, 3)
        ),
    ),
    "a dense layer alone sees the border": (
        (1, 8, 8),
        lambda: nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.Flatten(), nn.Linear(128, 3)),
    ),
    "averages over an adaptive window": (
        (3, 14, 11),
        lambda: nn.Sequential(
            nn.Normalize([0.5, 0.4, 0.3], [0.2, 0.3, 0.4]),
            nn.Conv2d(3, 6, 3, stride=2, padding=1, groups=3),
            nn.Identity(),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Conv2d(6, 20, 3, padding="same"),
            nn.Sigmoid(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(20, 30),
            nn.Tanh(),
            nn.Linear(30, 4),
        ),
    ),
    "maxima over an adaptive window": (
        (1, 9, 12),
        lambda: nn.Sequential(
            nn.Conv2d(1, 5, 3, padding=1), nn.AdaptiveMaxPool2d((1, 1)), nn.Flatten(), nn.Softmax(1)
        ),
    ),
    "a kernel in steps of which some pixels are never seen": (
        (1, 11, 11),
        lambda: nn.Sequential(nn.Conv2d(1, 3, 2, stride=3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 2)),
    ),
    "softmax regression": ((1, 9, 7), lambda: nn.Sequential(nn.Flatten(), nn.Linear(63, 10))),
}


@pytest.mark.parametrize("scheme", ["pytorch", "d2l"])
@pytest.mark.parametrize("stride", [None, (1, 1), (2, 3), (4, 4), (6, 1), (8, 12)])
def test_lenet_whose_first_layer_is_padded(scheme, stride, rng):
    image = rng.integers(0, 256, (1, 91, 119), np.uint8)
    assert_same_bits_as_cropping(nn.LeNet().initialize(scheme, 0), image, (28, 28), stride)


@pytest.mark.parametrize("stride", [None, (1, 2)])
@pytest.mark.parametrize("name", NETS)
def test_nets_of_all_kinds(name, stride, rng):
    (channels, height, width), make = NETS[name]
    image = rng.normal(size=(channels, height + 33, width + 38)).astype(np.float32)
    assert_same_bits_as_cropping(make().initialize("pytorch", 0), image, (height, width), stride)


@pytest.mark.parametrize("seed", range(30))
def test_nets_drawn_at_random(seed):
    rng = np.random.default_rng(seed)
    window = tuple(rng.integers(12, 20, 2).tolist())
    layers, channels, shape = [], 2, (2, *window)
    while len(layers) < 6:
        kernel, pad = rng.integers(1, 4, 2).tolist(), rng.integers(0, 3, 4).tolist()
        stride = rng.integers(1, 3, 2).tolist()
        kind = rng.integers(4)
        if kind == 0:
            layer = nn.MaxPool2d(kernel, stride, [min(p, k // 2) for p, k in zip(pad, kernel, strict=False)])
        elif kind == 1:
            layer = nn.AvgPool2d(kernel, stride, ceil_mode=bool(rng.integers(2)))
        elif kind == 2:
            layer = nn.Tanh()
        else:
            layer = nn.Conv2d(channels, 3, kernel, stride, pad)
        try:
            planned = nn.Sequential(*layers, layer).plan((2, *window)).output_shape
        except ValueError:  # nothing is left that it could slide over
            break
        layers, shape, channels = [*layers, layer], planned, planned[0]
    net = nn.Sequential(*layers, nn.Flatten(), nn.Linear(int(np.prod(shape)), 3)).initialize("pytorch", seed)
    image = rng.normal(size=(2, window[0] + 29, window[1] + 17)).astype(np.float32)
    assert_same_bits_as_cropping(net, image, window)


@pytest.mark.parametrize("name", ["padded max pooling in steps", "averages over an adaptive window"])
def test_scores_are_those_of_every_window_bit_by_bit(name, isa, threads, rng):
    (channels, height, width), make = NETS[name]
    net = make().initialize("pytorch", 0)
    image = rng.normal(size=(channels, height + 81, width + 170)).astype(np.float32)
    steps = natural_stride(net, (channels, height, width))
    assert_same_bits(score_map(net, image, (height, width)), cropped(net, image, (height, width), steps))


def test_lenet_scores_bytes_as_it_scores_every_window_bit_by_bit(isa, threads, rng):
    image, net = rng.integers(0, 256, (1, 140, 420), np.uint8), nn.LeNet(seed=0)
    assert_same_bits(score_map(net, image), cropped(net, image, (28, 28), (4, 4)))


def test_windows_score_the_same_bits_in_any_picture(rng):
    image, net = rng.random((1, 150, 397), np.float32), nn.LeNet(seed=0)
    whole = score_map(net, image)
    for top, left, rows, columns in ((0, 0, 1, 1), (3, 5, 20, 70), (7, 60, 2, 33), (30, 0, 1, 93)):
        height, width = 4 * rows + 24, 4 * columns + 24
        part = image[:, 4 * top : 4 * top + height, 4 * left : 4 * left + width]
        assert_same_bits(score_map(net, part), whole[:, top : top + rows, left : left + columns])


LONG_SUMS = {
    "9,409 taps of a kernel": (97, lambda: (nn.Conv2d(1, 3, 97), nn.Tanh(), nn.Flatten())),
    "9,600 inputs of a dense layer": (
        20,
        lambda: (nn.Conv2d(1, 24, 3, padding=1), nn.Flatten(), nn.Linear(9600, 3), nn.Sigmoid()),
    ),
    "10,800 taps of many channels": (
        8,
        lambda: (nn.Conv2d(1, 1200, 6), nn.Conv2d(1200, 5, 3), nn.ReLU(), nn.Flatten()),
    ),
    "9,409 pixels of an average": (97, lambda: (nn.AdaptiveAvgPool2d(1), nn.Flatten())),
}


@pytest.mark.parametrize("name", LONG_SUMS)
def test_long_sums_are_cut(name, rng):
    """Perhaps not where they are cut in a window by itself."""
    side, layers = LONG_SUMS[name]
    net = nn.Sequential(*layers()).initialize("pytorch", 0)
    image = rng.random((1, side + 2, side + 3), np.float32)
    expected = cropped(net, image, (side, side), (1, 1))
    np.testing.assert_allclose(score_map(net, image, side), expected, rtol=0, atol=TOLERANCE)


def test_a_window_as_large_as_the_picture_and_one_row_of_windows(rng):
    net = nn.LeNet(seed=0)
    image = rng.random((1, 28, 28), np.float32)
    np.testing.assert_allclose(score_map(net, image)[:, 0, 0], net(image[None])[0], rtol=0, atol=TOLERANCE)
    assert_same_bits_as_cropping(net, rng.random((1, 31, 200), np.float32), (28, 28))


def test_layouts_and_types_of_a_picture(rng):
    net = valid_lenet().initialize("pytorch", 0)
    levels = rng.integers(0, 256, (60, 50), np.uint8)
    expected = score_map(net, levels[None])
    for same in (levels, levels / 255, np.asfortranarray(levels), np.repeat(levels, 2, axis=1)[:, ::2]):
        np.testing.assert_allclose(score_map(net, same), expected, rtol=0, atol=TOLERANCE)


def test_the_natural_stride_is_the_product_of_strides():
    assert natural_stride(nn.LeNet(), (1, 28, 28)) == (4, 4)
    assert natural_stride(NETS["one pooling over all that is left"][1](), (1, 12, 12)) == (2, 2)
    assert natural_stride(NETS["softmax regression"][1](), (1, 9, 7)) == (1, 1)
    mixed = nn.Sequential(
        nn.Conv2d(1, 1, 3, stride=(2, 3)), nn.MaxPool2d((1, 2)), nn.Flatten(), nn.Linear(52, 2)
    )
    assert natural_stride(mixed, (1, 28, 28)) == natural_stride(mixed, [1, 28, 28]) == (2, 6)


MEMORY = """
import resource
import numpy as np
from convlet import nn
from convlet.detect import score_map
net, image = nn.LeNet(seed=0), np.zeros((1, 3000, 3000), np.uint8)
score_map(net, image[:, :200, :200])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
result = score_map(net, image)
print(1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) - result.nbytes)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts in KiB on Linux alone")
def test_memory_stays_small_however_large_the_picture_is():
    outcome = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True)
    assert int(outcome.stdout) < 50e6  # the first layer's output alone would take 200 MB


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ((nn.Conv2d(1, 2, 3), np.zeros((30, 30))), TypeError, "net of type Sequential, got Conv2d"),
        ((nn.LeNet(), np.zeros((27, 40))), ValueError, "an image of at least 28x28, got 27x40"),
        (
            (nn.LeNet(), np.zeros((1, 1, 40, 40))),
            ValueError,
            r"image of shape \(C, H, W\) or \(H, W\), got \(1, 1, 40",
        ),
        ((nn.LeNet(), np.zeros((40, 40), int)), TypeError, "uint8 or floating-point numbers for image"),
        ((nn.LeNet(), np.zeros((3, 40, 40))), ValueError, r"images that the layers take, got \(3, 28, 28\)"),
        ((nn.LeNet(), np.zeros((40, 40)), 20), ValueError, r"images that the layers take, got \(1, 20, 20\)"),
        ((nn.LeNet(), np.zeros((40, 40)), 28, 0), ValueError, "stride of at least 1, got 0"),
        ((nn.LeNet(), np.zeros((40, 40)), 28.0), TypeError, "window to be an integer or a pair"),
        (
            (nn.Sequential(nn.Conv2d(1, 2, 3)), np.zeros((40, 40))),
            ValueError,
            r"a net from images to outputs \(K,\)",
        ),
        (
            (nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten()), np.zeros((40, 40))),
            ValueError,
            "a dense layer behind Flatten, got 26x26 pixels",
        ),
        (
            (nn.Sequential(nn.Flatten(), nn.Softmax(1), nn.Linear(784, 2)), np.zeros((40, 40))),
            ValueError,
            r"a dense layer before Softmax\(dim=1\), got 28x28 pixels",
        ),
    ],
)
def test_what_cannot_slide_is_refused(arguments, error, message):
    with pytest.raises(error, match=f"expected {message}"):
        score_map(*arguments)
