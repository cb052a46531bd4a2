"""A share of the training data to test with, and classes that count alike, in whole runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from convlet import Trainer, nn, optim
from convlet.datasets import class_weights, stratified_split
from tolerances import assert_same_bits_by_name

Arrays = tuple[NDArray[Any], NDArray[np.int64]]


def trainer_of(**loss: Any) -> Trainer:
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 3)).initialize("xavier_uniform", 0)
    return Trainer(net, optim.SGD(0.1), nn.CrossEntropyLoss(**loss))


def data(counts: tuple[int, ...], seed: int = 0) -> Arrays:
    """Images (N, 1, 4, 4) of classes that overlap, so many of each."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts)
    images = rng.standard_normal((len(labels), 16), np.float32)
    images[np.arange(len(labels)), labels] += 1.5
    return images.reshape(-1, 1, 4, 4), labels


def test_a_share_gives_the_run_of_the_two_parts_by_hand() -> None:
    images, labels = data((60, 30, 10))
    shared, by_hand = trainer_of(), trainer_of()
    history = shared.fit((images, labels), validation=0.1, epochs=3, batch_size=16, seed=4)
    first, second = stratified_split(labels, 0.1, seed=4)
    parts = (images[first], labels[first]), (images[second], labels[second])
    expected = by_hand.fit(*parts, epochs=3, batch_size=16, seed=4)
    assert history.config["images"][0] == 90
    assert history.config["validation_images"] == 10
    assert [row.test_loss for row in history] == [row.test_loss for row in expected]
    assert_same_bits_by_name(shared.net.parameters(), by_hand.net.parameters())


def test_a_run_with_a_share_goes_on_to_the_same_bits() -> None:
    case, short, again, whole = data((60, 30, 10)), trainer_of(), trainer_of(), trainer_of()
    short.fit(case, 0.2, epochs=1)
    history = again.fit(case, 0.2, epochs=3, resume=short.checkpoint())
    expected = whole.fit(case, 0.2, epochs=3)
    assert [row.test_loss for row in history] == [row.test_loss for row in expected]
    assert_same_bits_by_name(again.net.parameters(), whole.net.parameters())


@pytest.mark.parametrize(
    "share, error, says",
    [
        (0, ValueError, "expected share between 0 and 1, got 0"),
        (1.0, ValueError, "expected share between 0 and 1, got 1"),
        (1.5, ValueError, "expected share of at most 1, got 1.5"),
        (float("nan"), ValueError, "expected share to be finite"),
        (True, TypeError, "expected share to be a real number"),
        (0.001, ValueError, "expected images enough for a second part"),
        ("0.1", TypeError, r"fit: expected validation to be a data set or \(images, labels\), got str"),
    ],
)
def test_a_share_that_is_none_is_refused(share: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=f"fit: .*{says}" if "fit" not in says else says):
        trainer_of().fit(data((60, 30, 10)), share)


def test_class_weights_let_a_rare_class_be_found() -> None:
    train, test = data((900, 80, 20)), data((200, 200, 200), seed=1)
    plain, balanced = trainer_of(), trainer_of(weight=class_weights(train[1]))
    recalls = []
    for trainer in (plain, balanced):
        trainer.fit(train, 0.1, epochs=20, batch_size=32)
        found = trainer.net.predict(test[0])
        recalls.append([float((found[test[1] == kind] == kind).mean()) for kind in range(3)])
    assert recalls[0][2] < 0.2 < 0.5 < recalls[1][2]
    assert np.mean(recalls[1]) > np.mean(recalls[0]) + 0.15


def test_figures_of_a_weighted_loss_are_weighted_means_in_both_parts() -> None:
    images, labels = data((90, 8, 4))
    loss = nn.CrossEntropyLoss(weight=class_weights(labels))
    trainer = Trainer(trainer_of().net, optim.SGD(0.0), loss)
    (row,) = trainer.fit((images, labels), 0.25, epochs=1, batch_size=1000)
    first, second = stratified_split(labels, 0.25)
    expected = [trainer.net.evaluate(images[part], labels[part], loss)[0] for part in (first, second)]
    assert (row.train_loss, row.test_loss) == pytest.approx(expected)
