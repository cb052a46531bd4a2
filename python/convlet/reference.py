"""The layer-by-layer walk: what the engine does, written to be read.

Every layer of a net is one call of :mod:`convlet.functional` on the whole batch. It is slower than the
engine, and is what the engine is tested against; it also takes what the engine does not, a loss for every
pixel of an image.
"""

from __future__ import annotations

from typing import SupportsFloat

import numpy as np

from ._arrays import Array, Numbers
from .nn import CrossEntropyLoss, Dropout, Sequential
from .optim import Optimizer

__all__ = ["activations", "forward", "loss_and_gradients", "step"]


def activations(net: Sequential, x: Numbers, draw: tuple[int, int] | None = None) -> list[Array]:
    """Everything that appears on the way through a net.

    Args:
        net: the net.
        x: images with a batch axis, uint8 (scaled by 1/255) or of a floating-point type.
        draw: in training the seed and the step of what dropout layers drop; ``None`` at inference.

    Returns:
        The images as float32, then the output of every layer, those of inner nets one by one.

    Raises:
        TypeError: images of another type.
        ValueError: shapes that do not fit.
    """
    images = net.batch("reference", x)
    found: list[Array] = [images.astype(np.float32, copy=False)]
    if images.dtype == np.uint8:
        found[0] /= np.float32(255)
    for n, layer in enumerate(net.ops().values()):
        if draw is not None and isinstance(layer, Dropout):
            found.append(layer.drop(found[-1], *draw, n))
        else:
            found.append(layer(found[-1]))
    return found


def forward(net: Sequential, x: Numbers) -> Array:
    """What the net gives for images, the last of its :func:`activations`."""
    return activations(net, x)[-1]


def loss_and_gradients(
    net: Sequential, x: Numbers, y: Numbers, loss: CrossEntropyLoss, seed: int = 0, step: int = 0
) -> tuple[float, dict[str, Array]]:
    """The loss on a batch, and by the chain rule its gradient for every parameter.

    Args:
        net: the net.
        x: images, as :func:`activations`.
        y: class indices: (N,), or (N, H, W) for a net whose outputs are (N, K, H, W).
        loss: the loss.
        seed: of what dropout layers drop.
        step: likewise: the mask of which step.

    Returns:
        ``(loss, gradients)``, the loss summed for ``reduction="none"``, the gradients by parameter.

    Raises:
        TypeError: as :func:`activations`, or labels that are not integers.
        ValueError: as :func:`activations`, or labels that do not fit.
    """
    found = activations(net, x, (seed, step))
    value = float(np.sum(loss(found[-1], y)))
    dy = loss.backward(found[-1], y)
    by_layer: dict[str, dict[str, Array]] = {}
    for n, (name, layer) in reversed(list(enumerate(net.ops().items()))):
        if isinstance(layer, Dropout):
            dy, by_layer[name] = layer.drop(dy, seed, step, n), {}
        else:
            dy, by_layer[name] = layer.backward(dy, found[n], found[n + 1])
    named = {f"{name}.{key}": array for name, arrays in by_layer.items() for key, array in arrays.items()}
    return value, {name: named[name] for name in net.parameters()}


def step(
    net: Sequential,
    optimizer: Optimizer,
    x: Numbers,
    y: Numbers,
    loss: CrossEntropyLoss,
    lr: SupportsFloat | None = None,
    seed: int = 0,
) -> float:
    """One step of training, in place.

    Args:
        net: the net.
        optimizer: what updates its parameters.
        x: images, as :func:`activations`.
        y: class indices, as :func:`loss_and_gradients`.
        loss: the loss.
        lr: the learning rate of this step, or the optimizer's.
        seed: of what dropout layers drop.

    Returns:
        The loss on the batch before the update.

    Raises:
        TypeError: as :func:`loss_and_gradients`.
        ValueError: as :func:`loss_and_gradients`.
    """
    value, gradients = loss_and_gradients(net, x, y, loss, seed, optimizer.steps_done)
    optimizer.step(net.parameters(), gradients, lr)
    return value
