"""Cross-entropy of logits with class indices."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, SupportsFloat, SupportsIndex, cast, overload

import numpy as np

from .. import _core
from .._arrays import (
    Array,
    Labels,
    Numbers,
    Operand,
    any_counts,
    as_labels,
    as_operand,
    check_labels,
    choice,
    integer,
    real,
)
from .._core import DeviceArray

__all__ = ["REDUCTIONS", "cross_entropy", "cross_entropy_backward"]

REDUCTIONS = ("mean", "sum", "none")


@overload
def cross_entropy(  # type: ignore[overload-overlap]
    logits: DeviceArray,
    target: DeviceArray,
    weight: DeviceArray | None = None,
    ignore_index: SupportsIndex = -100,
    reduction: str = "mean",
    label_smoothing: SupportsFloat = 0.0,
) -> DeviceArray: ...
@overload
def cross_entropy(
    logits: Numbers,
    target: Numbers,
    weight: Numbers | None = None,
    ignore_index: SupportsIndex = -100,
    reduction: Literal["mean", "sum"] = "mean",
    label_smoothing: SupportsFloat = 0.0,
) -> np.float32: ...
@overload
def cross_entropy(
    logits: Numbers,
    target: Numbers,
    weight: Numbers | None = None,
    ignore_index: SupportsIndex = -100,
    *,
    reduction: Literal["none"],
    label_smoothing: SupportsFloat = 0.0,
) -> Array: ...
@overload
def cross_entropy(
    logits: Numbers,
    target: Numbers,
    weight: Numbers | None = None,
    ignore_index: SupportsIndex = -100,
    reduction: str = "mean",
    label_smoothing: SupportsFloat = 0.0,
) -> np.float32 | Array: ...
def cross_entropy(
    logits: Numbers,
    target: Numbers,
    weight: Numbers | None = None,
    ignore_index: SupportsIndex = -100,
    reduction: str = "mean",
    label_smoothing: SupportsFloat = 0.0,
) -> np.float32 | Operand:
    """How surprising the true classes are, in nats, if the logits are unnormalised log-probabilities.

    ``loss[n] = -(1 - s) * weight[t] * log p[n,t] - s/K * sum over k of weight[k] * log p[n,k]`` with
    p = softmax(logits), t = target[n], and 0 where t is ``ignore_index``. The mean is
    ``sum(loss) / sum over n of weight[target[n]]``, ignored targets left out. The logarithm is taken by
    log-sum-exp, so a confident mistake has a large, finite loss.

    Args:
        logits: (N, K), or (N, K, d1, ...) with a class for every place, or (K,) of one image.
        target: class indices in 0..K-1 of any integer type: (N,), or (N, d1, ...), or a single one.
        weight: how much each class counts, (K,), or 1 for all.
        ignore_index: a target that does not count.
        reduction: ``"mean"``, ``"sum"``, or ``"none"`` for the loss of each target.
        label_smoothing: s, the share of the probability that is wanted evenly on all classes, 0 to 1.

    Returns:
        The loss, a float32 number; for ``"none"`` an array of the shape of target. On the device a number is
        an array of shape () there, whose value ``item()`` fetches.

    Raises:
        TypeError: logits or weights that are not real, targets that are not integers.
        ValueError: shapes that do not fit, a target out of range, or the mean over no target.

    Source: PyTorch's ``torch.nn.CrossEntropyLoss``, whose definitions these are.
    """
    case = _case("cross_entropy", logits, target, weight, ignore_index, reduction, label_smoothing)
    loss = _core.cross_entropy(*case.arguments)
    if reduction == "none":
        return loss.reshape(case.target_shape)
    return np.float32(loss) if isinstance(loss, np.ndarray) else loss


@overload
def cross_entropy_backward(  # type: ignore[overload-overlap]
    logits: DeviceArray,
    target: DeviceArray,
    weight: DeviceArray | None = None,
    ignore_index: SupportsIndex = -100,
    reduction: str = "mean",
    label_smoothing: SupportsFloat = 0.0,
) -> DeviceArray: ...
@overload
def cross_entropy_backward(
    logits: Numbers,
    target: Numbers,
    weight: Numbers | None = None,
    ignore_index: SupportsIndex = -100,
    reduction: str = "mean",
    label_smoothing: SupportsFloat = 0.0,
) -> Array: ...
def cross_entropy_backward(
    logits: Numbers,
    target: Numbers,
    weight: Numbers | None = None,
    ignore_index: SupportsIndex = -100,
    reduction: str = "mean",
    label_smoothing: SupportsFloat = 0.0,
) -> Operand:
    """The gradient of :func:`cross_entropy` with respect to the logits; of the sum for ``"none"``.

    Without weights and smoothing, ``dlogits[n,k] = (p[n,k] - (1 if k == target[n] else 0)) / d`` with d the
    number of targets that count for ``"mean"``, and 1 otherwise. The row of an ignored target is 0.

    Args:
        logits: as in :func:`cross_entropy`, like the other arguments.
        target: see there.
        weight: see there.
        ignore_index: see there.
        reduction: see there.
        label_smoothing: see there.

    Returns:
        dlogits, of the shape of logits, float32.

    Raises:
        TypeError: as :func:`cross_entropy`.
        ValueError: as :func:`cross_entropy`.
    """
    case = _case("cross_entropy_backward", logits, target, weight, ignore_index, reduction, label_smoothing)
    rows = _core.cross_entropy_backward(*case.arguments)
    if len(case.logits_shape) <= 2 or not isinstance(rows, np.ndarray):
        return rows.reshape(case.logits_shape)
    return np.ascontiguousarray(np.moveaxis(rows.reshape(*case.target_shape, rows.shape[1]), -1, 1))


class _Case(NamedTuple):
    """A loss as the compiled module takes it, and the shapes that came in.

    On the CPU the logits have one row a target, on the device they are (outer, classes, inner).
    """

    arguments: tuple[
        Operand, Labels | DeviceArray, Operand | None, int, Literal["mean", "sum", "none"], float
    ]
    logits_shape: tuple[int, ...]
    target_shape: tuple[int, ...]


def _case(
    op: str,
    logits: Numbers,
    target: Numbers,
    weight: Numbers | None,
    ignore_index: SupportsIndex,
    reduction: str,
    label_smoothing: SupportsFloat,
) -> _Case:
    values, labels = as_operand(op, "logits", logits), as_labels(op, "labels", target)
    factors = None if weight is None else as_operand(op, "weight", weight)
    ignored = integer(op, "ignore_index", ignore_index, -(2**63), 2**63 - 1)
    how = cast(Literal["mean", "sum", "none"], choice(op, "reduction", reduction, REDUCTIONS))
    smoothing = real(op, "label_smoothing", label_smoothing, 0.0, 1.0)
    if values.ndim == 0:
        raise ValueError(f"{op}: expected logits (N, K), (K,) or (N, K, d1, ...), got a single number")
    axis = 1 if values.ndim > 1 else 0
    classes = values.shape[axis]
    expected = values.shape[:axis] + values.shape[axis + 1 :]
    if labels.shape != expected:
        raise ValueError(
            f"{op}: expected labels of shape {expected} for logits (N, K), (K,) or (N, K, d1, ...), "
            f"got labels {labels.shape} for logits {values.shape}"
        )
    if classes == 0:
        raise ValueError(f"{op}: expected logits of at least 1 class, got {values.shape}")
    if factors is not None and factors.shape != (classes,):
        raise ValueError(f"{op}: expected weight of shape ({classes},), one a class, got {factors.shape}")
    if not all(isinstance(array, np.ndarray) for array in (values, labels, factors) if array is not None):
        _core.on_device(op, logits=values, labels=labels, weight=factors)
    check_labels(op, labels, classes, ignored)
    if how == "mean" and not any_counts(labels, ignored):
        raise ValueError(
            f"{op}: expected at least one label that counts for the mean, got 0 of {labels.size}"
        )
    if isinstance(values, np.ndarray):
        rows: Operand = np.ascontiguousarray(np.moveaxis(values, axis, -1)).reshape(-1, classes)
        labels = labels.reshape(-1)
    else:
        outer, inner = math.prod(values.shape[:axis]), math.prod(values.shape[axis + 1 :])
        rows, labels = values.reshape(outer, classes, inner), labels.reshape(outer, inner)
    return _Case((rows, labels, factors, ignored, how, smoothing), values.shape, expected)
