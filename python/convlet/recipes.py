"""Named settings for a training run, so that one word repeats a published result."""

from __future__ import annotations

from dataclasses import dataclass

from . import nn, optim
from ._arrays import Size

__all__ = ["RECIPES", "Recipe", "get"]


@dataclass(frozen=True)
class Recipe:
    """The settings of a run, and where they come from: a LeNet on weights drawn by ``scheme``.

    The article's has sigmoids and average pooling and is trained by plain SGD, which needs some thousand
    steps to begin to learn. A ``modern`` one has ReLU and maximum pooling and is trained by Adam: it learns
    from a few hundred pictures too.
    """

    name: str
    source: str
    epochs: int
    batch_size: int
    lr: float
    scheme: str
    modern: bool = False

    def net(self, in_channels: int, num_classes: int, image_size: Size) -> nn.Sequential:
        """The net, with weights yet to be drawn; :class:`convlet.nn.LeNet` has the arguments."""
        net = nn.LeNet(in_channels, num_classes, image_size)
        return nn.Sequential(*map(_modern, net)) if self.modern else net

    def optimizer(self, lr: float) -> optim.Optimizer:
        """What trains it, at that learning rate."""
        return optim.Adam(lr) if self.modern else optim.SGD(lr)


def _modern(layer: nn.Layer) -> nn.Layer:
    if isinstance(layer, nn.Sigmoid):
        return nn.ReLU()
    return nn.MaxPool2d(layer.kernel_size, layer.stride) if isinstance(layer, nn.AvgPool2d) else layer


RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe("d2l", "Dive into Deep Learning, section LeNet, before edition 1.0", 10, 256, 0.9, "d2l"),
        Recipe("d2l-new", "Dive into Deep Learning, section LeNet, edition 1.0", 10, 128, 0.1, "d2l"),
        Recipe("modern", "LeNet as it would be built today", 20, 16, 0.002, "kaiming_uniform", modern=True),
    )
}


def get(name: str) -> Recipe:
    """The recipe of that name; an unknown name is a ``ValueError`` that lists the known ones."""
    if name not in RECIPES:
        raise ValueError(f"recipe: expected one of {', '.join(RECIPES)}, got {name!r}")
    return RECIPES[name]
