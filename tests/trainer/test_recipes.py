"""The recipes of the two editions of the book, and a modern one."""

from __future__ import annotations

import pytest

from convlet import nn, optim, recipes


def test_the_recipes_are_the_books() -> None:
    old, new = recipes.get("d2l"), recipes.get("d2l-new")
    assert (old.epochs, old.batch_size, old.lr, old.scheme) == (10, 256, 0.9, "d2l")
    assert (new.epochs, new.batch_size, new.lr, new.scheme) == (10, 128, 0.1, "d2l")


def test_an_unknown_recipe_is_a_value_error_that_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match="recipe: expected one of d2l, d2l-new, modern, got 'nonsense'"):
        recipes.get("nonsense")


def test_the_modern_recipe_has_the_sizes_and_the_names_of_lenet() -> None:
    modern, old = recipes.get("modern"), recipes.get("d2l")
    net = modern.net(3, 4, (32, 40))
    assert [type(layer) for layer in net[:3]] == [nn.Conv2d, nn.ReLU, nn.MaxPool2d]
    shapes = [
        {name: x.shape for name, x in made.parameters().items()} for made in (net, old.net(3, 4, (32, 40)))
    ]
    assert shapes[0] == shapes[1]
    assert net.plan((3, 32, 40)).output_shape == (4,)
    assert isinstance(modern.optimizer(0.1), optim.Adam)
    assert isinstance(old.optimizer(0.1), optim.SGD)
