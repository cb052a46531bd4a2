"""Cross-entropy of logits with class indices, p = softmax(logits), K classes, smoothing s, class weights w:

    loss[n] = -(1 - s) * w[t] * log p[n,t] - s / K * (sum over k of w[k] * log p[n,k]),  t = target[n]

and loss[n] = 0 where the target is `ignore_index`. The mean divides the sum by that of w[t] over the images
that are not ignored.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oracle import softmax

Array = NDArray[np.float64]


def forward(
    logits: Array,
    target: NDArray[np.int64],
    weight: Array | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Array:
    """(N,K), (N,) -> () or, with reduction "none", (N,)."""
    log_p = softmax.log_forward(logits)
    losses, total = np.zeros(len(target)), 0.0
    for n, wanted in enumerate(_wanted(log_p.shape, target, weight, ignore_index, label_smoothing)):
        losses[n] = -(wanted * log_p[n])[wanted != 0].sum()
        total += _share(target[n], weight, ignore_index)
    if reduction == "none":
        return losses
    return losses.sum() / (total if reduction == "mean" else 1.0)


def backward(
    logits: Array,
    target: NDArray[np.int64],
    weight: Array | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Array:
    """p[k] * (sum over j of wanted[j]) - wanted[k], of the sum for "none" too, divided for the mean."""
    p = softmax.forward(logits)
    dlogits, total = np.zeros(p.shape), 0.0
    for n, wanted in enumerate(_wanted(p.shape, target, weight, ignore_index, label_smoothing)):
        if target[n] != ignore_index:
            dlogits[n] = p[n] * wanted.sum() - wanted
        total += _share(target[n], weight, ignore_index)
    return dlogits / (total if reduction == "mean" else 1.0)


def _wanted(shape, target, weight, ignore_index, label_smoothing) -> list[Array]:
    """For each image the factor of every -log p[k] in its loss."""
    classes = shape[1]
    w = np.ones(classes) if weight is None else np.asarray(weight, np.float64)
    rows = []
    for t in target:
        row = np.zeros(classes)
        if t != ignore_index:
            row += label_smoothing / classes * w
            row[t] += (1 - label_smoothing) * w[t]
        rows.append(row)
    return rows


def _share(t: int, weight: Array | None, ignore_index: int) -> float:
    """What an image of class t adds to the divisor of the mean."""
    if t == ignore_index:
        return 0.0
    return 1.0 if weight is None else float(weight[t])
