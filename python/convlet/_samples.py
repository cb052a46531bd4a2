"""The border of the estimators: samples and targets as scikit-learn's users hand them in.

Its words are scikit-learn's where that checks them, and so are the classes of errors and warnings where it
is loaded; it is never loaded for their sake.
"""

from __future__ import annotations

import sys
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._arrays import Numbers, as_array, integer

__all__ = ["as_samples", "as_seed", "as_targets", "check_feature_names", "feature_names", "not_fitted"]


class NotFittedError(ValueError, AttributeError):
    """What is raised by an estimator that knows nothing yet, where scikit-learn's own class is not loaded."""


def as_samples(op: str, X: Numbers) -> NDArray[Any]:
    """Samples (N, F), (N, H, W) or (N, C, H, W) as uint8 or float32, none of them NaN or infinite.

    Raises:
        TypeError: a sparse matrix, or what holds no real numbers.
        ValueError: another shape, no samples, no features, NaN or infinity.
    """
    sparse = sys.modules.get("scipy.sparse")
    if sparse is not None and sparse.issparse(X):
        raise TypeError(f"{op}: expected a dense array for X, got a sparse matrix; use X.toarray()")
    array = as_array(op, "X", X)
    if array.dtype.kind == "c":
        raise ValueError(f"{op}: expected real numbers for X, got {array.dtype}: Complex data not supported")
    if array.dtype.kind == "O":
        array = array.astype(np.float64)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{op}: expected real numbers for X, got dtype {array.dtype}")
    if array.ndim not in (2, 3, 4):
        raise ValueError(
            f"{op}: expected X of shape (N, F), (N, H, W) or (N, C, H, W), got {array.shape}. "
            "Reshape your data: X.reshape(1, -1) is a single sample, X.reshape(-1, 1) are single features"
        )
    for what, count in (("sample", array.shape[0]), ("feature", int(np.prod(array.shape[1:])))):
        if count == 0:
            raise ValueError(
                f"{op}: found an array X with 0 {what}(s) (shape={array.shape}) "
                "while a minimum of 1 is required."
            )
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    with np.errstate(over="ignore"):  # what float32 cannot hold is infinite, and told below
        samples = np.ascontiguousarray(array, dtype=np.float32)
    if not np.isfinite(samples).all():
        found = "NaN" if np.isnan(samples).any() else "infinity or a value too large for dtype('float32')"
        raise ValueError(f"{op}: expected finite numbers, but input X contains {found}.")
    return samples


def as_targets(op: str, y: Numbers | None, count: int) -> NDArray[Any]:
    """A class for each of ``count`` samples, (count,): integers, whole floats, booleans, strings.

    Raises:
        ValueError: none, another number of them, another shape, or numbers that are no classes.
    """
    if y is None:
        raise ValueError(f"{op}: requires y to be passed, but the target y is None")
    targets = np.asarray(y)
    if targets.ndim == 2 and targets.shape[1] == 1:
        warnings.warn(
            "A column-vector y was passed when a 1d array was expected; change its shape to (n_samples,)",
            _borrowed("DataConversionWarning", UserWarning),
            stacklevel=3,
        )
        targets = targets[:, 0]
    if targets.ndim != 1:
        raise ValueError(f"{op}: y should be a 1d array, got an array of shape {targets.shape} instead")
    if len(targets) != count:
        raise ValueError(f"{op}: expected a class for each of {count} samples, got {len(targets)}")
    if targets.dtype.kind == "f":
        if not np.isfinite(targets).all():
            raise ValueError(f"{op}: expected classes, but input y contains NaN or infinity")
        if (targets != np.floor(targets)).any():
            raise ValueError(f"{op}: Unknown label type: continuous, expected classes in y")
    elif targets.dtype.kind not in "iubOUS":
        raise ValueError(f"{op}: Unknown label type: {targets.dtype}, expected classes in y")
    return targets


def as_seed(op: str, random_state: Any) -> int:
    """A seed from what scikit-learn takes for one: ``None``, an int, a ``RandomState`` or a ``Generator``."""
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31 - 1))
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**63))
    return integer(op, "random_state", random_state, low=0, high=2**64 - 1)


def feature_names(X: Any) -> NDArray[Any] | None:
    """The names of a table's columns, if all are strings; ``None`` of what is no table."""
    columns = getattr(X, "columns", None)
    if columns is None:
        return None
    names = np.asarray(columns, dtype=object)
    return names if len(names) and all(isinstance(name, str) for name in names) else None


def check_feature_names(op: str, name: str, known: NDArray[Any] | None, found: NDArray[Any] | None) -> None:
    """The columns of a table are those that ``name`` was fitted with, in the same order.

    Raises:
        ValueError: other names or another order. Names on one side only are a warning.
    """
    if known is None or found is None:
        if known is not None:
            text = f"X does not have valid feature names, but {name} was fitted with feature names"
            warnings.warn(text, UserWarning, stacklevel=4)
        elif found is not None:
            text = f"X has feature names, but {name} was fitted without feature names"
            warnings.warn(text, UserWarning, stacklevel=4)
        return
    if found.tolist() == known.tolist():
        return
    lines = [f"{op}: The feature names should match those that were passed during fit."]
    unseen = [f"- {column}" for column in found if column not in known]
    missing = [f"- {column}" for column in known if column not in found]
    if unseen:
        lines += ["Feature names unseen at fit time:", *unseen]
    if missing:
        lines += ["Feature names seen at fit time, yet now missing:", *missing]
    if not unseen and not missing:
        lines.append("Feature names must be in the same order as they were in fit.")
    raise ValueError("\n".join([*lines, ""]))


def not_fitted(op: str, name: str) -> Exception:
    """The error for an estimator that is asked before it has learned."""
    error: type[Exception] = _borrowed("NotFittedError", NotFittedError)
    return error(f"{op}: expected {name} to be fitted, call fit first")


def _borrowed(name: str, otherwise: type[Any]) -> type[Any]:
    """A class of scikit-learn's, where that is loaded."""
    found: type[Any] = getattr(sys.modules.get("sklearn.exceptions"), name, otherwise)
    return found
