"""What a net finds in a picture, where, and of what size."""

from __future__ import annotations

import numpy as np
import pytest

from convlet import nn
from convlet.detect import detect

SIDE = 8


def pattern_net(scale=12.0, last=()):
    """Three classes: an upright bar, a level bar in the middle of a window, and anything else."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(SIDE * SIDE, 3), *last)
    for label, bar in enumerate((upright(), upright().T)):
        weights = np.where(bar > 0, 1 / bar.sum(), -1 / (bar == 0).sum())
        net[1].weight[label] = 4 * scale * weights.ravel()
        net[1].bias[label] = -3 * scale
    net[1].weight[2], net[1].bias[2] = 0, 0
    return net


def upright():
    bar = np.zeros((SIDE, SIDE), np.float32)
    bar[:, 3:5] = 1
    return bar


def scene(size, *bars):
    """A dark picture with bars at places: (top, left, label)."""
    image = np.zeros((1, *size), np.float32)
    for top, left, label in bars:
        image[0, top : top + SIDE, left : left + SIDE] = upright() if label == 0 else upright().T
    return image


def places(boxes):
    return sorted((round(box.top), round(box.left), box.label) for box in boxes)


def test_everything_is_found_once_where_it_is():
    bars = [(5, 7, 0), (20, 30, 1), (33, 3, 1), (28, 44, 0)]
    boxes = detect(pattern_net(), scene((48, 60), *bars), SIDE, background=2)
    assert places(boxes) == sorted(bars)
    assert all((box.height, box.width) == (SIDE, SIDE) for box in boxes)
    assert all(0.9 <= box.score <= 1 for box in boxes)
    assert [box.score for box in boxes] == sorted((box.score for box in boxes), reverse=True)


def test_nothing_is_found_where_nothing_is():
    assert detect(pattern_net(), scene((48, 60)), SIDE, background=2) == []


def test_without_a_background_every_window_shows_something():
    boxes = detect(pattern_net(), scene((SIDE, SIDE)), SIDE)
    assert [box.label for box in boxes] == [2]


def test_the_threshold_is_a_probability():
    image = 0.85 * scene((20, 20), (6, 6, 0))
    score = detect(pattern_net(2.0), image, SIDE, threshold=0.5, background=2)[0].score
    assert 0.5 < score < 0.999
    assert detect(pattern_net(2.0), image, SIDE, threshold=score + 1e-4, background=2) == []


@pytest.mark.parametrize("last", [(nn.Softmax(1),), (nn.LogSoftmax(1),)])
def test_a_net_that_ends_with_softmax_gives_the_probabilities_itself(last):
    image = scene((30, 30), (6, 6, 0), (17, 15, 1))
    plain = detect(pattern_net(1.0), image, SIDE, threshold=0.5, background=2)
    other = detect(pattern_net(1.0, last), image, SIDE, threshold=0.5, background=2)
    assert places(plain) == places(other) != []
    np.testing.assert_allclose([box.score for box in plain], [box.score for box in other], atol=1e-5)


def test_overlap_decides_how_near_neighbours_may_be():
    image = scene((30, 20), (6, 6, 1), (11, 6, 1))
    assert places(detect(pattern_net(), image, SIDE, threshold=0.5, overlap=0.5, background=2)) == [
        (6, 6, 1),
        (11, 6, 1),
    ]
    assert len(detect(pattern_net(), image, SIDE, threshold=0.5, overlap=0.1, background=2)) == 1


def test_bytes_are_taken_as_levels():
    image = scene((30, 30), (6, 6, 0))
    levels = (255 * image).astype(np.uint8)
    assert places(detect(pattern_net(), levels, SIDE, background=2)) == [(6, 6, 0)]
    assert places(detect(pattern_net(), levels[0], SIDE, background=2)) == [(6, 6, 0)]


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_scales_find_what_is_larger_than_the_window(dtype):
    large = np.kron(scene((24, 24), (8, 8, 1)), np.ones((3, 3), np.float32))
    small = scene((72, 72), (4, 50, 0))
    image = np.maximum(large, small)
    image = (255 * image).astype(np.uint8) if dtype == np.uint8 else image
    boxes = detect(pattern_net(), image, SIDE, background=2, scales=(1, 1 / 3), overlap=0.05)
    assert places(boxes) == [(4, 50, 0), (24, 24, 1)]
    assert sorted(box.height for box in boxes) == [SIDE, 3 * SIDE]


def test_scales_at_which_the_picture_is_smaller_than_the_window_are_left_out():
    image = scene((12, 12), (2, 2, 0))
    assert places(detect(pattern_net(), image, SIDE, background=2, scales=(1, 0.25))) == [(2, 2, 0)]
    with pytest.raises(ValueError, match="an image of at least 8x8 at some scale, got 12x12"):
        detect(pattern_net(), image, SIDE, background=2, scales=(0.25,))


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({"threshold": 1.5}, ValueError, "threshold of at most 1, got 1.5"),
        ({"threshold": "high"}, TypeError, "threshold to be a real number"),
        ({"overlap": -0.1}, ValueError, "overlap of at least 0, got -0.1"),
        ({"background": 3}, ValueError, "background of at most 2, got 3"),
        ({"background": "none"}, TypeError, "background to be an integer"),
        ({"scales": ()}, ValueError, "at least one scale, got none"),
        ({"scales": (0,)}, ValueError, "scales of at least"),
        ({"scales": (float("nan"),)}, ValueError, "scales to be finite"),
        ({"stride": 0}, ValueError, "stride of at least 1, got 0"),
    ],
)
def test_wrong_options_are_refused(options, error, message):
    with pytest.raises(error, match=f"expected {message}"):
        detect(pattern_net(), scene((20, 20)), SIDE, **options)
