"""Named settings for a training run, so that one word repeats a published result."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["RECIPES", "Recipe", "get"]


@dataclass(frozen=True)
class Recipe:
    """The settings of a run with plain SGD on weights drawn by ``scheme``, and where they come from."""

    name: str
    source: str
    epochs: int
    batch_size: int
    lr: float
    scheme: str


RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe("d2l", "Dive into Deep Learning, section LeNet, before edition 1.0", 10, 256, 0.9, "d2l"),
        Recipe("d2l-new", "Dive into Deep Learning, section LeNet, edition 1.0", 10, 128, 0.1, "d2l"),
    )
}


def get(name: str) -> Recipe:
    """The recipe of that name; an unknown name is a ``ValueError`` that lists the known ones."""
    if name not in RECIPES:
        raise ValueError(f"recipe: expected one of {', '.join(RECIPES)}, got {name!r}")
    return RECIPES[name]
