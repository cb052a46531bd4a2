"""The classifiers by themselves, without scikit-learn."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from convlet import Augment, LeNetClassifier, NetClassifier, Trainer, datasets, nn, optim
from convlet._samples import as_seed


@pytest.fixture(scope="module")
def digits() -> datasets.Digits:
    return datasets.Digits(size=600)


def test_neither_import_nor_training_loads_scikit_learn():
    program = """
import sys
from convlet import LeNetClassifier, datasets
digits = datasets.Digits(size=40)
LeNetClassifier(epochs=1).fit(digits.images, digits.labels).predict(digits.images)
try:
    LeNetClassifier().predict(digits.images)
except ValueError as error:
    print(type(error).__name__, isinstance(error, AttributeError))
print([name for name in ("sklearn", "scipy", "pandas", "PIL", "matplotlib") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["NotFittedError True", "[]"]


def test_it_is_the_trainers_training(digits: datasets.Digits):
    estimator = LeNetClassifier(epochs=2, lr=0.01, batch_size=50, random_state=4)
    estimator.fit(digits.images, digits.labels)
    net = nn.LeNet().initialize("xavier_uniform", 4)
    trainer = Trainer(net, optim.Adam(0.01), nn.CrossEntropyLoss())
    history = trainer.fit(digits, None, epochs=2, batch_size=50, seed=4)
    for name, weight in net.state_dict().items():
        np.testing.assert_array_equal(estimator.net_.state_dict()[name], weight)
    assert estimator.history_[-1].train_loss == history[-1].train_loss
    np.testing.assert_array_equal(estimator.predict(digits.images), net.predict(digits.images))
    np.testing.assert_array_equal(estimator.predict_proba(digits.images), net.predict_proba(digits.images))
    assert estimator.score(digits.images, digits.labels) == net.evaluate(digits.images, digits.labels)[1]


def test_augmentation_is_the_trainers(digits: datasets.Digits):
    changes = Augment(shift=2, erase=5)
    estimator = LeNetClassifier(epochs=1, augment=changes, random_state=4).fit(digits.images, digits.labels)
    net = nn.LeNet().initialize("xavier_uniform", 4)
    trainer = Trainer(net, optim.Adam(estimator.lr), nn.CrossEntropyLoss())
    trainer.fit(digits, None, epochs=1, batch_size=estimator.batch_size, seed=4, augment=changes)
    plain = LeNetClassifier(epochs=1, random_state=4).fit(digits.images, digits.labels)
    for name, weight in net.state_dict().items():
        np.testing.assert_array_equal(estimator.net_.state_dict()[name], weight)
    assert not np.array_equal(estimator.net_[0].weight, plain.net_[0].weight)


def test_one_image_has_the_same_bits_in_any_layout(digits: datasets.Digits):
    images = digits.images.astype(np.float64) / 255
    layouts = images, images[:, 0], images.reshape(600, -1)
    found = [LeNetClassifier(epochs=1, random_state=0).fit(X, digits.labels) for X in layouts]
    expected = found[0].predict_proba(layouts[0])
    for estimator in found:
        assert estimator.input_shape_ == (1, 28, 28)
        assert estimator.n_features_in_ == 784
        for X in layouts:
            np.testing.assert_array_equal(estimator.predict_proba(X), expected)


def test_bytes_are_scaled_and_other_integers_are_not(digits: datasets.Digits):
    estimator = LeNetClassifier(epochs=1, random_state=0).fit(digits.images, digits.labels)
    images = digits.images.astype(np.float32)
    np.testing.assert_allclose(
        estimator.predict_proba(digits.images), estimator.predict_proba(images / 255), atol=1e-6
    )
    np.testing.assert_array_equal(
        estimator.predict_proba(digits.images.astype(np.int64)), estimator.predict_proba(images)
    )


@pytest.mark.parametrize("names", [np.array(list("zyxwvutsrq")), np.arange(10) * 7 - 20])
def test_classes_are_whatever_they_are(digits: datasets.Digits, names: Any):
    estimator = LeNetClassifier(epochs=4, random_state=0).fit(digits.images, names[digits.labels])
    np.testing.assert_array_equal(estimator.classes_, np.sort(names))
    assert estimator.predict_proba(digits.images).shape == (600, 10)
    predicted = estimator.predict(digits.images)
    assert predicted.dtype == names.dtype
    best = estimator.predict_proba(digits.images).argmax(axis=1)
    np.testing.assert_array_equal(predicted, estimator.classes_[best])


def test_lenet_fits_its_dense_layers_to_the_images(rng: np.random.Generator):
    for shape, features in (((1, 12, 12), 16), ((3, 32, 32), 576), ((1, 20, 40), 16 * 3 * 8)):
        X = rng.random((4, *shape), np.float32)
        estimator = LeNetClassifier(epochs=1).fit(X, [0, 1, 2, 0])
        assert estimator.net_[7].in_features == features
        assert estimator.net_[11].out_features == 3
        flat = LeNetClassifier(shape, epochs=1).fit(X.reshape(4, -1), [0, 1, 2, 0])
        assert repr(flat.net_) == repr(estimator.net_)


def test_rows_that_are_no_images_go_through_the_dense_layers(rng: np.random.Generator):
    estimator = LeNetClassifier(epochs=1).fit(rng.random((4, 64)), [0, 1, 1, 0])
    kinds = [type(layer).__name__ for layer in estimator.net_]
    assert kinds == ["Linear", "Sigmoid", "Linear", "Sigmoid", "Linear"]


def test_images_that_are_too_small_are_refused(rng: np.random.Generator):
    with pytest.raises(ValueError, match="LeNetClassifier: expected images of at least 12x12, got 8x8"):
        LeNetClassifier().fit(rng.random((4, 8, 8)), [0, 1, 1, 0])


def test_a_given_net_keeps_its_weights_if_asked_to(digits: datasets.Digits):
    net = nn.LeNet(seed=3)
    estimator = NetClassifier(net, scheme=None, lr=0.0, epochs=1).fit(digits.images, digits.labels)
    assert estimator.net_ is not net
    for name, weight in net.state_dict().items():
        np.testing.assert_array_equal(estimator.net_.state_dict()[name], weight)
    np.testing.assert_array_equal(
        NetClassifier(net, lr=0.0, epochs=1, random_state=6).fit(digits.images, digits.labels).net_[0].weight,
        nn.LeNet().initialize("xavier_uniform", 6)[0].weight,
    )


def test_parameters_are_read_and_set_by_name():
    estimator = NetClassifier(epochs=3)
    assert estimator.get_params()["epochs"] == 3
    assert estimator.set_params(lr=0.5, epochs=4) is estimator
    assert repr(estimator) == "NetClassifier(lr=0.5, epochs=4)"
    with pytest.raises(
        ValueError, match="NetClassifier: Invalid parameter 'rate', expected one of net, image_shape"
    ):
        estimator.set_params(lr=0.1, rate=1)
    assert estimator.lr == 0.5
    assert "net" not in LeNetClassifier().get_params()


def test_it_tells_of_every_epoch_if_asked_to(digits: datasets.Digits, capsys: pytest.CaptureFixture[str]):
    LeNetClassifier(epochs=2).fit(digits.images, digits.labels)
    assert capsys.readouterr().out == ""
    LeNetClassifier(epochs=2, verbose=True).fit(digits.images, digits.labels)
    assert [line[:10] for line in capsys.readouterr().out.splitlines()] == ["epoch 1/2 ", "epoch 2/2 "]


def test_seeds_are_scikit_learns():
    assert as_seed("fit", 7) == 7
    assert as_seed("fit", np.int64(7)) == 7
    assert as_seed("fit", np.random.RandomState(1)) == as_seed("fit", np.random.RandomState(1))
    assert as_seed("fit", np.random.default_rng(1)) == as_seed("fit", np.random.default_rng(1))
    assert as_seed("fit", None) != as_seed("fit", None)
    with pytest.raises(TypeError, match="fit: expected random_state to be an integer, got 'no'"):
        as_seed("fit", "no")


def test_weighted_scores():
    estimator = NetClassifier(epochs=1).fit([[0.0], [1.0]], [0, 1])
    right = estimator.predict([[0.0], [1.0]]) == [0, 1]
    assert estimator.score([[0.0], [1.0]], [0, 1], [3, 1]) == pytest.approx((3 * right[0] + right[1]) / 4)


BAD = {
    "one class": ([[0.0], [1.0]], [0, 0], {}, ValueError, "at least 2 classes in y, got 1 class"),
    "no targets": ([[0.0], [1.0]], None, {}, ValueError, "requires y to be passed, but the target y is None"),
    "too few targets": ([[0.0], [1.0]], [0], {}, ValueError, "a class for each of 2 samples, got 1"),
    "reals as classes": ([[0.0], [1.0]], [0.5, 1], {}, ValueError, "Unknown label type: continuous"),
    "complex classes": ([[0.0], [1.0]], [1j, 1], {}, ValueError, "Unknown label type: complex128"),
    "a table of classes": ([[0.0], [1.0]], [[0, 1], [1, 0]], {}, ValueError, "y should be a 1d array"),
    "NaN": ([[np.nan], [1.0]], [0, 1], {}, ValueError, "input X contains NaN"),
    "too large": ([[1e300], [1.0]], [0, 1], {}, ValueError, "infinity or a value too large"),
    "complex": ([[1j], [1.0]], [0, 1], {}, ValueError, "Complex data not supported"),
    "words": ([["a"], ["b"]], [0, 1], {}, ValueError, "expected real numbers for X"),
    "one row": ([0.0, 1.0], [0, 1], {}, ValueError, "Reshape your data"),
    "no samples": (np.zeros((0, 3)), [], {}, ValueError, r"0 sample\(s\) \(shape=\(0, 3\)\)"),
    "no features": (np.zeros((2, 0)), [0, 1], {}, ValueError, r"0 feature\(s\) \(shape=\(2, 0\)\)"),
    "a shape": (
        [[0.0], [1.0]],
        [0, 1],
        {"image_shape": (2, 2)},
        ValueError,
        r"image_shape \(1, 2, 2\), or flat",
    ),
    "a rank": ([[0.0], [1.0]], [0, 1], {"image_shape": (1,)}, ValueError, r"image_shape \(H, W\) or"),
    "epochs": ([[0.0], [1.0]], [0, 1], {"epochs": 0}, ValueError, "expected epochs of at least 1, got 0"),
    "lr": ([[0.0], [1.0]], [0, 1], {"lr": -1}, ValueError, "expected lr of at least 0, got -1"),
    "optimizer": (
        [[0.0], [1.0]],
        [0, 1],
        {"optimizer": "best"},
        ValueError,
        "one of sgd, adam, adamw, got 'best'",
    ),
    "scheme": ([[0.0], [1.0]], [0, 1], {"scheme": "best"}, ValueError, "expected scheme to be one of"),
    "verbose": (
        [[0.0], [1.0]],
        [0, 1],
        {"verbose": 2},
        TypeError,
        "expected verbose to be True or False, got 2",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_sentence(case: str):
    X, y, options, kind, message = BAD[case]
    estimator = NetClassifier(**options)
    with pytest.raises(kind, match=message):
        estimator.fit(X, y)
    assert not estimator.__sklearn_is_fitted__()


def test_nets_that_do_not_fit_are_refused(digits: datasets.Digits):
    with pytest.raises(ValueError, match=r"expected a net with 10 outputs, one a class, got \(7,\)"):
        NetClassifier(nn.LeNet(num_classes=7)).fit(digits.images, digits.labels)
    with pytest.raises(TypeError, match="an nn.Sequential or a function that makes one, got int"):
        NetClassifier(7).fit(digits.images, digits.labels)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="an nn.Sequential or a function that makes one, got Conv2d"):
        NetClassifier(lambda *_: nn.Conv2d(1, 1, 1)).fit(digits.images, digits.labels)


def test_other_images_than_those_of_the_training_are_refused(digits: datasets.Digits):
    estimator = LeNetClassifier(epochs=1).fit(digits.images, digits.labels)
    with pytest.raises(
        ValueError, match="X has 64 features, but LeNetClassifier is expecting 784 features as input"
    ):
        estimator.predict(np.zeros((2, 64)))
    with pytest.raises(ValueError, match=r"expected images of \(1, 28, 28\), got \(1, 14, 56\)"):
        estimator.predict(np.zeros((2, 14, 56)))
