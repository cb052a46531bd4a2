"""The comparison of ten seeds with the book's figures."""

from __future__ import annotations

import importlib

import pytest


@pytest.mark.parametrize(
    "figures, passes",
    [
        ((0.469, 0.824, 0.79), True),
        ((0.481, 0.824, 0.79), False),
        ((0.469, 0.817, 0.79), False),
        ((0.469, 0.824, 0.784), False),
    ],
)
def test_mean_of_each_figure_is_judged(figures: tuple[float, float, float], passes: bool):
    ten_seeds = importlib.import_module("ten_seeds")
    rows = [
        {"train_loss": figures[0] + d, "train_accuracy": figures[1] + d, "test_accuracy": figures[2] + d}
        for d in (-0.05, 0.05)
    ]
    text, inside = ten_seeds.verdict(rows)
    assert inside is passes
    assert ("NO" in text) is not passes
    assert f"| mean | {figures[0]:.4f} | {figures[1]:.4f} | {figures[2]:.4f} |" in text


def test_seeds_train_the_recipe_on_given_data():
    from convlet import datasets, recipes

    ten_seeds = importlib.import_module("ten_seeds")
    train, test = datasets.Digits(train=True, size=300), datasets.Digits(train=False, size=50)
    rows = [ten_seeds.train(train, test, recipes.get("d2l"), seed, "cpu") for seed in (0, 0, 1)]
    assert rows[0].epoch == 10
    assert rows[0].train_loss == rows[1].train_loss != rows[2].train_loss
