"""A part of the images, from each class alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from convlet.datasets import stratified_split


@pytest.mark.parametrize("share", [0.1, 0.25, 1 / 3, 0.5, 0.9])
def test_every_class_gives_its_share(rng: np.random.Generator, share: float) -> None:
    labels = rng.choice(5, 1000, p=[0.5, 0.3, 0.1, 0.07, 0.03])
    first, second = stratified_split(labels, share, seed=3)
    assert sorted([*first, *second]) == list(range(1000))
    assert len(second) == round(share * 1000)
    for kind in range(5):
        assert abs((labels[second] == kind).sum() - share * (labels == kind).sum()) < 1


def test_the_seed_decides_the_choice(rng: np.random.Generator) -> None:
    labels = rng.integers(0, 3, 300)
    parts = [stratified_split(labels, 0.2, seed)[1].tolist() for seed in (0, 0, 1)]
    assert parts[0] == parts[1] != parts[2]


def test_a_class_of_one_image_keeps_it() -> None:
    first, second = stratified_split([0] * 10 + [7] + [-100] * 10, 0.5)
    assert 10 in first
    assert len(second) == 10


@pytest.mark.parametrize(
    "arguments, error, says",
    [
        (([0.5, 1.5], 0.5), TypeError, "expected integer labels"),
        (([[0, 1]], 0.5), ValueError, r"expected labels of shape \(N,\), got \(1, 2\)"),
        (([0, 0], 0.0), ValueError, "expected share between 0 and 1, got 0"),
        (([0, 0], 1), ValueError, "expected share between 0 and 1, got 1"),
        (([0, 0], -0.5), ValueError, "expected share of at least 0, got -0.5"),
        (([0, 0], True), TypeError, "expected share to be a real number, got True"),
        (([0, 1, 2], 0.5), ValueError, "expected images enough for a second part"),
        (([0, 0, 0], 0.1), ValueError, "expected images enough for a second part"),
        (([0, 0], 0.5, -1), ValueError, "expected seed of at least 0"),
    ],
)
def test_it_refuses(arguments: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=f"stratified_split: {says}"):
        stratified_split(*arguments)
