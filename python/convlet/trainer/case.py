"""The border of a run: data sets as the engine takes them."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, SupportsFloat, TypeAlias

import numpy as np

from .._arrays import Images, Labels, Numbers
from ..datasets import stratified_split
from ..nn import CrossEntropyLoss, Sequential

__all__ = ["Case", "Data", "cases_of"]


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


def cases_of(
    train: Data, validation: Data | SupportsFloat | None, net: Sequential, loss: CrossEntropyLoss, seed: int
) -> tuple[Case, Case | None]:
    """Check what a run trains on and, if there is anything, what it tests with.

    Args:
        train: images with labels.
        validation: others, or the share of ``train`` to set apart, from each class alike.
        net: takes the images.
        loss: says which labels count.
        seed: of the choice of the images that are set apart.

    Raises:
        TypeError: neither a data set nor a pair, or images or labels of another type.
        ValueError: images that the net does not take, labels that do not fit them, none that counts, a share
            out of range, or validation images of another shape.
    """
    images, labels = _checked("train", train, net, loss)
    if isinstance(validation, bool | int | float | np.number):
        try:
            first, second = stratified_split(labels, validation, seed)
        except (TypeError, ValueError) as error:
            raise type(error)(f"fit: validation as a share of train: {error}") from error
        tested = images[second], labels[second]
        images, labels = images[first], labels[first]
    elif validation is None:
        return _case("train", images, labels, loss), None
    else:
        tested = _checked("validation", validation, net, loss)  # type: ignore[arg-type]
        if tested[0].shape[1:] != images.shape[1:]:
            raise ValueError(
                f"fit: expected validation images of {images.shape[1:]}, got {tested[0].shape[1:]}"
            )
    return _case("train", images, labels, loss), _case("validation", *tested, loss)


def _checked(name: str, data: Data, net: Sequential, loss: CrossEntropyLoss) -> tuple[Images, Labels]:
    """The images and labels of ``data``, which messages call ``name``."""
    images, labels = getattr(data, "images", None), getattr(data, "labels", None)
    if isinstance(data, tuple) and len(data) == 2:
        images, labels = data
    if images is None or labels is None:
        raise TypeError(
            f"fit: expected {name} to be a data set or (images, labels), got {type(data).__name__}"
        )
    images, labels, _ = net.case(f"fit: {name}", images, labels, loss)
    return images, labels


def _case(name: str, images: Images, labels: Labels, loss: CrossEntropyLoss) -> Case:
    counted = labels[labels != loss.ignore_index]
    if not len(counted):
        raise ValueError(f"fit: expected at least one label that counts in {name}, got {len(labels)} labels")
    if loss.reduction == "sum":
        divisor = float(len(labels))
    else:
        divisor = float(len(counted) if loss.weight is None else loss.weight[counted].sum(dtype=np.float64))
    return Case(images, labels, len(counted) / len(labels), divisor)
