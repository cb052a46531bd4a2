"""A part of labelled images to test with while the others are trained on."""

from __future__ import annotations

from typing import SupportsFloat, SupportsIndex

import numpy as np

from .._arrays import Labels, Numbers, as_integers, integer, real

__all__ = ["stratified_split"]


def stratified_split(labels: Numbers, share: SupportsFloat, seed: SupportsIndex = 0) -> tuple[Labels, Labels]:
    """Divide images at random so that every class gives the same share of its own.

    A class of n images gives ``floor(share * n)`` of them, and those with the largest remainders one more,
    until ``round(share * N)`` are taken. A class of a single image gives none.

    Args:
        labels: a class for each image, (N,), integers; one to be ignored counts as a class as well.
        share: of the images in the second part, between 0 and 1, without these two.
        seed: of the choice; the same labels, share and seed give the same parts.

    Returns:
        The indices of the first part and of the second, each in ascending order.

    Raises:
        TypeError: labels that are no integers, or an argument of another type.
        ValueError: labels of another shape, an argument out of range, or too few images for a second part.
    """
    op = "stratified_split"
    numbers = as_integers(op, "labels", labels)
    if numbers.ndim != 1:
        raise ValueError(f"{op}: expected labels of shape (N,), got {numbers.shape}")
    part = real(op, "share", share, 0.0, 1.0)
    if part in (0.0, 1.0):
        raise ValueError(f"{op}: expected share between 0 and 1, got {part:g}")
    source = np.random.SeedSequence(integer(op, "seed", seed, 0, 2**64 - 1), spawn_key=(1,))
    rng = np.random.Generator(np.random.PCG64(source))  # of its own, not that of an epoch's order
    _, kinds, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    wanted = part * counts
    taken = np.minimum(np.floor(wanted).astype(np.int64), counts - 1)
    open_places = max(0, round(part * len(numbers)) - int(taken.sum()))
    order = np.argsort(taken - wanted, kind="stable")
    taken[order[taken[order] < counts[order] - 1][:open_places]] += 1
    if not taken.any():
        raise ValueError(
            f"{op}: expected images enough for a second part, got {counts.max(initial=0)} of a class"
        )
    second = np.zeros(len(numbers), np.bool_)
    for kind, count in enumerate(taken):
        second[rng.permutation(np.flatnonzero(kinds == kind))[:count]] = True
    return np.flatnonzero(~second), np.flatnonzero(second)
