"""How much each class should count where some are rare."""

from __future__ import annotations

from typing import SupportsIndex

import numpy as np

from .._arrays import Array, Numbers, as_integers, check_labels, integer

__all__ = ["class_weights"]


def class_weights(labels: Numbers, classes: SupportsIndex | None = None) -> Array:
    """Weights with which every class counts the same in all: ``N / (K * count)``, for ``count`` images of it.

    ``nn.CrossEntropyLoss(class_weights(train.labels))`` is the loss of a balanced training. Of equally many
    images of each class all weights are 1.

    Args:
        labels: a class for each image, (N,), integers from 0.
        classes: K, how many there are; by default one more than the largest label.

    Returns:
        (K,), float32.

    Raises:
        TypeError: labels that are no integers.
        ValueError: labels of another shape, one out of range, or a class without an image.

    Source: G. King, L. Zeng, "Logistic regression in rare events data", 2001; scikit-learn's "balanced".
    """
    op = "class_weights"
    numbers = as_integers(op, "labels", labels)
    if numbers.ndim != 1 or not len(numbers):
        raise ValueError(f"{op}: expected labels of shape (N,), at least one, got {numbers.shape}")
    count = int(numbers.max()) + 1 if classes is None else integer(op, "classes", classes)
    check_labels(op, numbers, max(count, 1), ignore_index=0)
    if count > len(numbers):
        raise ValueError(f"{op}: expected an image of each of {count} classes, got {len(numbers)} images")
    counts = np.bincount(numbers, minlength=count)
    if not counts.all():
        raise ValueError(
            f"{op}: expected an image of each of {count} classes, got none of class {counts.argmin()}"
        )
    return (len(numbers) / (count * counts)).astype(np.float32)
