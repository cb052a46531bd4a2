"""Which of several boxes around one thing stays."""

from __future__ import annotations

import numpy as np
import pytest

from convlet.detect import intersection_over_union, suppress


def test_shares_of_boxes():
    box = np.array([0.0, 0.0, 4.0, 4.0])
    others = np.array([[0, 0, 4, 4], [2, 0, 6, 4], [4, 0, 8, 4], [1, 1, 3, 3], [9, 9, 10, 10]], float)
    np.testing.assert_allclose(intersection_over_union(others, box), [1, 8 / 24, 0, 4 / 16, 0])


def test_the_best_box_stays_and_those_that_overlap_it_go():
    corners = np.array([[0, 0, 4, 4], [1, 0, 5, 4], [3, 0, 7, 4], [20, 0, 24, 4]], float)
    scores = np.array([0.8, 0.9, 0.7, 0.6])
    assert suppress(corners, scores, 0.3) == [1, 3]  # the third shares a third with the second
    assert suppress(corners, scores, 0.5) == [1, 2, 3]
    assert suppress(corners, scores, 1) == [1, 0, 2, 3]
    assert suppress(corners[:0], scores[:0], 0.5) == []


def test_of_equal_scores_the_first_stays():
    assert suppress(np.array([[0.0, 0, 2, 2]] * 3), np.full(3, 0.5), 0.5) == [0]


@pytest.mark.parametrize("seed", range(5))
def test_boxes_that_stay_overlap_little_and_the_others_overlap_a_better_one(seed):
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, 50, (60, 2))
    corners = np.concatenate([low, low + rng.uniform(5, 20, (60, 2))], axis=1)
    scores = rng.random(60)
    kept = suppress(corners, scores, 0.25)
    for number in range(60):
        better = [k for k in kept if scores[k] > scores[number]]
        most = intersection_over_union(corners[better], corners[number]).max(initial=0)
        assert (most <= 0.25) == (number in kept)
