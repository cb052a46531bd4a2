"""The classifiers inside scikit-learn: its own checks, pipelines, searches, clones and pickles."""

from __future__ import annotations

import pickle
import warnings
from functools import partial
from typing import Any

import numpy as np
import pytest

from convlet import LeNetClassifier, NetClassifier, nn, optim

sklearn = pytest.importorskip("sklearn", minversion="1.6")

from sklearn.base import clone, is_classifier  # noqa: E402
from sklearn.datasets import load_digits  # noqa: E402
from sklearn.exceptions import DataConversionWarning, NotFittedError  # noqa: E402
from sklearn.model_selection import GridSearchCV, cross_val_score  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import MinMaxScaler  # noqa: E402
from sklearn.utils.estimator_checks import check_estimator  # noqa: E402
from sklearn.utils.validation import check_is_fitted  # noqa: E402

EXPECTED_FAILED_CHECKS: dict[str, str] = {}
"""Checks of scikit-learn that cannot pass, by name, each with the reason."""


@pytest.fixture(scope="module")
def digits() -> tuple[Any, Any]:
    """1797 digits of 8x8 pixels from 0 to 16, as flat rows."""
    return load_digits(return_X_y=True)


def small(shape: tuple[int, ...], classes: int) -> nn.Sequential:
    """A convolution for pictures of 8x8."""
    channels, height, width = shape
    features = 8 * (height // 2) * (width // 2)
    return nn.Sequential(
        nn.Conv2d(channels, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(features, classes),
    )


@pytest.mark.parametrize(
    "estimator", [NetClassifier(), LeNetClassifier(), NetClassifier(optimizer="sgd", lr=0.1)]
)
def test_scikit_learns_own_checks_pass(estimator: Any):
    assert len(EXPECTED_FAILED_CHECKS) <= 5
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*does not inherit from `sklearn.base.BaseEstimator`.*")
        found = check_estimator(
            estimator, expected_failed_checks=EXPECTED_FAILED_CHECKS, on_fail=None, on_skip=None
        )
    failed = [f"{one['check_name']}: {one['exception']!r}" for one in found if one["status"] == "failed"]
    assert not failed
    passed = {one["check_name"] for one in found if one["status"] == "passed"}
    assert {"check_classifiers_train", "check_fit_idempotent", "check_estimators_pickle"} <= passed
    assert len(passed) > 40


def test_it_works_in_a_pipeline(digits: tuple[Any, Any]):
    X, y = digits
    pipeline = make_pipeline(MinMaxScaler(), LeNetClassifier(epochs=20, random_state=0)).fit(
        X[:1200], y[:1200]
    )
    assert pipeline.score(X[1200:], y[1200:]) > 0.9
    assert pipeline._repr_html_()


def test_it_works_in_cross_validation(digits: tuple[Any, Any]):
    X, y = digits
    scores = cross_val_score(NetClassifier(small, random_state=0), X.reshape(-1, 1, 8, 8) / 16, y, cv=3)
    assert scores.min() > 0.9


def test_it_works_in_a_grid_search(digits: tuple[Any, Any]):
    X, y = digits
    pipeline = make_pipeline(MinMaxScaler(), NetClassifier(epochs=5, random_state=0))
    search = GridSearchCV(pipeline, {"netclassifier__lr": [0.0, 0.004]}, cv=2).fit(X, y)
    assert search.best_params_ == {"netclassifier__lr": 0.004}
    assert search.best_score_ > 0.85


def test_scikit_learn_knows_what_it_is():
    assert is_classifier(LeNetClassifier())
    with pytest.raises(NotFittedError):
        check_is_fitted(LeNetClassifier())


def test_clones_share_nothing(digits: tuple[Any, Any]):
    X, y = digits
    net = nn.Sequential(nn.Linear(64, 10, seed=1))
    before = net.state_dict()
    estimator = NetClassifier(net, lr=0.01, epochs=1).fit(X / 16, y)
    copy = clone(estimator)
    assert copy.net is not net
    assert not hasattr(copy, "net_")
    assert copy.get_params().keys() == estimator.get_params().keys()
    assert copy.lr == 0.01
    assert all(np.array_equal(before[name], weight) for name, weight in net.state_dict().items())


def test_a_pickled_classifier_predicts_the_same(digits: tuple[Any, Any]):
    X, y = digits
    estimator = NetClassifier(small, image_shape=(8, 8), random_state=0).fit(X, y)
    back = pickle.loads(pickle.dumps(estimator))
    np.testing.assert_array_equal(back.predict_proba(X), estimator.predict_proba(X))
    assert back.history_[-1].train_loss == estimator.history_[-1].train_loss


def test_errors_and_warnings_are_scikit_learns(digits: tuple[Any, Any]):
    X, y = digits
    with pytest.raises(NotFittedError, match="NetClassifier.predict: expected NetClassifier to be fitted"):
        NetClassifier().predict(X)
    with pytest.warns(DataConversionWarning, match="A column-vector y was passed"):
        NetClassifier(epochs=1).fit(X, y[:, None])


def test_columns_of_a_table_are_remembered(digits: tuple[Any, Any]):
    pandas = pytest.importorskip("pandas")
    X, y = digits
    table = pandas.DataFrame(X, columns=[f"pixel {n}" for n in range(64)])
    estimator = NetClassifier(epochs=1, random_state=0).fit(table, y)
    assert list(estimator.feature_names_in_) == list(table.columns)
    np.testing.assert_array_equal(
        estimator.predict(table), NetClassifier(epochs=1, random_state=0).fit(X, y).predict(X)
    )
    with pytest.raises(ValueError, match="must be in the same order"):
        estimator.predict(table[table.columns[::-1]])
    with pytest.raises(ValueError, match="unseen at fit time:\n- other"):
        estimator.predict(table.rename(columns={"pixel 0": "other"}))
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        estimator.predict(X)


def test_any_optimizer_will_do(digits: tuple[Any, Any]):
    X, y = digits
    momentum = partial(optim.SGD, momentum=0.9)
    assert NetClassifier(optimizer=momentum, lr=0.05, random_state=0).fit(X / 16, y).score(X / 16, y) > 0.9
