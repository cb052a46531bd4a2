"""The border of a run: data sets as the engine takes them."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np

from .._arrays import Images, Labels, Numbers
from ..nn import CrossEntropyLoss, Sequential

__all__ = ["Case", "Data", "case_of"]


class LabelledImages(Protocol):
    """A data set: anything with images and a label for each."""

    images: Any
    labels: Any


Data: TypeAlias = LabelledImages | tuple[Numbers, Numbers]


class Case(NamedTuple):
    """Images with labels, and what turns sums over them into means."""

    images: Images
    labels: Labels
    counted_share: float
    """Of the labels, 0 to 1: without those that the loss ignores."""
    loss_divisor: float
    """Of the loss summed over all images: for a mean, the sum of the weights of their classes."""


def case_of(name: str, data: Data, net: Sequential, loss: CrossEntropyLoss) -> Case:
    """Check ``data``, which messages call ``name``.

    Raises:
        TypeError: neither a data set nor a pair, or images or labels of another type.
        ValueError: images that the net does not take, labels that do not fit them, or none that counts.
    """
    images, labels = getattr(data, "images", None), getattr(data, "labels", None)
    if isinstance(data, tuple) and len(data) == 2:
        images, labels = data
    if images is None or labels is None:
        raise TypeError(
            f"fit: expected {name} to be a data set or (images, labels), got {type(data).__name__}"
        )
    images, labels, _ = net.case(f"fit: {name}", images, labels, loss)
    counted = labels[labels != loss.ignore_index]
    if not len(counted):
        raise ValueError(f"fit: expected at least one label that counts in {name}, got {len(labels)} labels")
    if loss.reduction == "sum":
        divisor = float(len(labels))
    else:
        divisor = float(len(counted) if loss.weight is None else loss.weight[counted].sum(dtype=np.float64))
    return Case(images, labels, len(counted) / len(labels), divisor)
