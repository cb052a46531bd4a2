"""The recipes of the two editions of the book."""

from __future__ import annotations

import pytest

from convlet import recipes


def test_the_recipes_are_the_books() -> None:
    old, new = recipes.get("d2l"), recipes.get("d2l-new")
    assert (old.epochs, old.batch_size, old.lr, old.scheme) == (10, 256, 0.9, "d2l")
    assert (new.epochs, new.batch_size, new.lr, new.scheme) == (10, 128, 0.1, "d2l")


def test_an_unknown_recipe_is_a_value_error_that_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match="recipe: expected one of d2l, d2l-new, got 'nonsense'"):
        recipes.get("nonsense")
