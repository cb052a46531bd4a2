"""A run: its order, its figures, its callbacks and what it refuses."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from convlet import Trainer, _core, datasets, nn, optim
from convlet.trainer import Progress, epoch_order
from tolerances import assert_same_bits_by_name

Arrays = tuple[NDArray[Any], NDArray[np.int64]]


def small_net(seed: int = 0) -> nn.Sequential:
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.Sigmoid(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(4 * 3 * 3, 5)
    )
    return net.initialize("xavier_uniform", seed)


def data(count: int, seed: int = 0) -> Arrays:
    """Random images, each with its brightest quarter (and none for few of them) as its label."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (count, 1, 8, 8), np.uint8)
    return images, images.reshape(count, 4, 16).sum(axis=2).argmax(axis=1)


def trainer_of(net: nn.Sequential, **options: Any) -> Trainer:
    return Trainer(net, optim.SGD(0.5, momentum=0.5), nn.CrossEntropyLoss(), **options)


def test_the_order_of_an_epoch_depends_on_seed_and_number_alone() -> None:
    order = epoch_order(1000, seed=3, epoch=7)
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence([3, 7])))
    np.testing.assert_array_equal(order, generator.permutation(1000))
    assert order.dtype == np.int64
    assert sorted(order) == list(range(1000))
    assert not np.array_equal(order, epoch_order(1000, 3, 8))
    assert not np.array_equal(order, epoch_order(1000, 4, 7))


@pytest.mark.parametrize("shuffle", [True, False])
def test_a_fit_equals_the_loop_that_a_reader_would_write(shuffle: bool, threads: int) -> None:
    images, labels = data(100)
    fitted, by_hand = small_net(), small_net()
    trainer = trainer_of(fitted, threads=threads)
    history = trainer.fit((images, labels), epochs=2, batch_size=32, seed=5, shuffle=shuffle)

    optimizer, loss = optim.SGD(0.5, momentum=0.5), nn.CrossEntropyLoss()
    for epoch in range(2):
        order = epoch_order(100, 5, epoch) if shuffle else np.arange(100)
        loss_sum, correct = 0.0, 0
        for start in range(0, 100, 32):
            batch = order[start : start + 32]
            correct += int((by_hand.predict(images[batch]) == labels[batch]).sum())
            value, gradients = by_hand.loss_and_gradients(images[batch], labels[batch], loss)
            loss_sum += value * len(batch)
            optimizer.step(by_hand.parameters(), gradients)
        assert history[epoch].train_loss == pytest.approx(loss_sum / 100, rel=1e-6)
        assert history[epoch].train_accuracy == pytest.approx(correct / 100)
    assert_same_bits_by_name(fitted.parameters(), by_hand.parameters())
    assert trainer.optimizer.steps_done == 8


def test_the_test_figures_are_those_of_the_whole_validation_set_after_the_epoch() -> None:
    net, test = small_net(), data(77, seed=1)
    history = trainer_of(net).fit(data(64), test, epochs=1, batch_size=16)
    loss, accuracy = net.evaluate(*test)
    assert history[0].test_loss == pytest.approx(loss)
    assert history[0].test_accuracy == pytest.approx(accuracy)


def test_without_validation_there_are_no_test_figures() -> None:
    (row,) = trainer_of(small_net()).fit(data(64), epochs=1)
    assert row.test_loss is None
    assert row.test_accuracy is None


def test_weights_and_labels_that_do_not_count_are_left_out_of_the_means() -> None:
    images, labels = data(60)
    labels[::3] = -1
    loss = nn.CrossEntropyLoss(weight=np.array([1, 2, 3, 4, 5.0]), ignore_index=-1)
    net = small_net()
    before = net.evaluate(images, labels, loss)
    (row,) = Trainer(net, optim.SGD(0.0), loss).fit(
        (images, labels), (images, labels), epochs=1, batch_size=60
    )
    assert (row.test_loss, row.test_accuracy) == pytest.approx(before)
    assert (row.train_loss, row.train_accuracy) == pytest.approx(before)


def test_the_figures_are_means_over_the_images_for_a_loss_that_is_a_sum_too() -> None:
    net, case = small_net(), data(60)
    loss, accuracy = net.evaluate(*case)
    (row,) = Trainer(net, optim.SGD(0.0), nn.CrossEntropyLoss(reduction="sum")).fit(case, case, epochs=1)
    assert (row.train_loss, row.train_accuracy) == pytest.approx((loss, accuracy))
    assert (row.test_loss, row.test_accuracy) == pytest.approx((loss, accuracy))


def test_rows_say_how_long_the_training_took_and_the_history_how_long_all_of_it() -> None:
    history = trainer_of(small_net()).fit(data(500), data(100), epochs=3, batch_size=50)
    assert [row.epoch for row in history] == [1, 2, 3]
    for row in history:
        assert row.images_per_second == pytest.approx(500 / row.seconds)
    assert history.total_seconds > sum(row.seconds for row in history)


def test_a_data_set_and_its_arrays_give_the_same_run() -> None:
    images, labels = data(64)
    nets = [small_net(), small_net(), small_net()]
    sets = [(images, labels), datasets.Dataset(images, labels), SimpleNamespace(images=images, labels=labels)]
    for net, train in zip(nets, sets, strict=True):
        trainer_of(net).fit(train, epochs=1, batch_size=16)
    assert_same_bits_by_name(nets[0].parameters(), nets[1].parameters())
    assert_same_bits_by_name(nets[0].parameters(), nets[2].parameters())


def test_a_schedule_runs_over_the_whole_fit() -> None:
    seen: list[tuple[int, int, int | None]] = []

    def schedule(step: int, total_steps: int, steps_per_epoch: int | None = None, /) -> float:
        seen.append((step, total_steps, steps_per_epoch))
        return 1.0

    Trainer(small_net(), optim.SGD(0.1, schedule=schedule), nn.CrossEntropyLoss()).fit(
        data(50), epochs=2, batch_size=20
    )
    assert seen == [(step, 6, 3) for step in range(6)]


def test_on_epoch_sees_each_row_and_a_checkpoint_of_it() -> None:
    trainer = trainer_of(small_net())
    seen = []

    def on_epoch(row: Any) -> None:
        checkpoint = trainer.checkpoint()
        assert checkpoint.epoch == row.epoch == len(checkpoint.history)
        assert not checkpoint.totals.any()
        assert_same_bits_by_name(checkpoint.weights, trainer.net.parameters())
        seen.append(row)

    assert trainer.fit(data(64), epochs=3, on_epoch=on_epoch) == seen


def test_progress_counts_the_images_of_the_epoch() -> None:
    seen: list[Progress] = []
    history = trainer_of(small_net()).fit(data(60_000), epochs=2, batch_size=1, on_progress=seen.append)
    assert {progress.epoch for progress in seen} == {1, 2}
    for progress in seen:
        assert 0 < progress.images <= 60_000
        assert 0 < progress.train_loss < 3
        assert 0 <= progress.train_accuracy <= 1
    points = [done for done, _, _ in history.within]
    assert points == sorted(points)
    assert len(points) <= 10
    assert all(0 < done < 2 for done in points)


def test_a_net_that_shares_its_layers_is_trained_where_they_lie() -> None:
    whole = small_net()
    part = nn.Sequential(*list(whole)[:-1], nn.Linear(36, 5))
    before = whole.state_dict()
    trainer = trainer_of(part)
    trainer.fit(data(64), epochs=1, batch_size=16)
    assert (whole[0].weight != before["0.weight"]).any()
    np.testing.assert_array_equal(whole[0].weight, part[0].weight)
    np.testing.assert_array_equal(trainer.checkpoint().weights["0.weight"], part[0].weight)


def test_cuda_without_a_device_says_why() -> None:
    if not _core.cuda_status():
        pytest.skip("this machine has a CUDA device")
    with pytest.raises(RuntimeError, match=f"'cuda' cannot be used: {_core.cuda_status()}"):
        trainer_of(small_net(), device="cuda")
    assert trainer_of(small_net(), device="auto").device == "cpu"


@pytest.mark.parametrize(
    "change, error, says",
    [
        ({"net": "LeNet"}, TypeError, "expected net of type Sequential, got str"),
        ({"optimizer": 0.9}, TypeError, "expected optimizer of type Optimizer, got float"),
        ({"loss": nn.CrossEntropyLoss}, TypeError, "expected loss of type CrossEntropyLoss, got type"),
        ({"device": "gpu"}, ValueError, "expected device to be one of auto, cpu, cuda, got 'gpu'"),
        ({"threads": 0}, ValueError, "expected threads of at least 1, got 0"),
        ({"threads": 1.5}, TypeError, "expected threads to be an integer, got 1.5"),
    ],
)
def test_a_trainer_refuses(change: dict[str, Any], error: type[Exception], says: str) -> None:
    arguments = {"net": small_net(), "optimizer": optim.SGD(0.1), "loss": nn.CrossEntropyLoss(), **change}
    with pytest.raises(error, match=f"Trainer: {says}"):
        Trainer(**arguments)


IMAGES, LABELS = data(20)


@pytest.mark.parametrize(
    "change, error, says",
    [
        ({"train": (IMAGES, LABELS[:-1])}, ValueError, r"fit: train: expected labels of shape \(20,\)"),
        ({"train": (IMAGES, LABELS + 2)}, ValueError, "fit: train: expected labels in 0..4, got 5"),
        ({"train": (IMAGES, LABELS.astype(float))}, TypeError, "fit: train: expected integer labels"),
        ({"train": (IMAGES.astype(np.int32), LABELS)}, TypeError, "fit: train: expected uint8 or floating"),
        ({"train": (IMAGES[:, 0], LABELS)}, ValueError, "fit: train: expected x"),
        ({"train": (IMAGES.repeat(2, 1), LABELS)}, ValueError, r"\(N, 1, H, W\)"),
        (
            {"train": (IMAGES[:, :, :4], LABELS)},
            ValueError,
            "fit: train: expected images that the layers take",
        ),
        ({"train": (IMAGES[:0], LABELS[:0])}, ValueError, "fit: train: expected"),
        ({"train": IMAGES}, TypeError, r"train to be a data set or \(images, labels\), got ndarray"),
        ({"train": (IMAGES, LABELS, 1)}, TypeError, "got tuple"),
        ({"validation": (IMAGES, LABELS[1:])}, ValueError, "fit: validation: expected labels"),
        ({"epochs": 0}, ValueError, "fit: expected epochs of at least 1, got 0"),
        ({"batch_size": 0}, ValueError, "fit: expected batch_size of at least 1, got 0"),
        ({"batch_size": 2.0}, TypeError, "fit: expected batch_size to be an integer"),
        ({"seed": -1}, ValueError, "fit: expected seed of at least 0, got -1"),
        ({"shuffle": "yes"}, TypeError, "fit: expected shuffle to be True or False"),
    ],
)
def test_a_fit_refuses_before_anything_is_trained(
    change: dict[str, Any], error: type[Exception], says: str
) -> None:
    net = small_net()
    before = net.state_dict()
    with pytest.raises(error, match=says):
        trainer_of(net).fit(**{"train": (IMAGES, LABELS), **change})
    assert_same_bits_by_name(net.parameters(), before)


def test_validation_images_of_another_shape_are_refused() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 5))
    with pytest.raises(ValueError, match=r"expected validation images of \(1, 8, 8\), got \(1, 4, 16\)"):
        trainer_of(net).fit((IMAGES, LABELS), (IMAGES.reshape(20, 1, 4, 16), LABELS))
