"""The chapter of the older edition, cell by cell."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from convlet import Trainer, d2l, datasets, nn, optim
from notebook_cell import enter_notebook

LINES = re.compile(
    r"loss (\d\.\d{3}), train acc (\d\.\d{3}), test acc (\d\.\d{3})\n(\d+\.\d) examples/sec on (\S+)\n"
)


def lenet() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 6, kernel_size=5, padding=2), nn.Sigmoid(),
        nn.AvgPool2d(kernel_size=2, stride=2),
        nn.Conv2d(6, 16, kernel_size=5), nn.Sigmoid(),
        nn.AvgPool2d(kernel_size=2, stride=2),
        nn.Flatten(),
        nn.Linear(16 * 5 * 5, 120), nn.Sigmoid(),
        nn.Linear(120, 84), nn.Sigmoid(),
        nn.Linear(84, 10))  # fmt: skip


@pytest.mark.usefixtures("data")
def test_the_chapters_training_prints_the_books_two_lines(capsys: pytest.CaptureFixture[str]):
    batch_size = 64
    train_iter, test_iter = d2l.load_data_fashion_mnist(batch_size=batch_size)
    lr, num_epochs = 0.9, 2
    assert d2l.train_ch6(lenet(), train_iter, test_iter, num_epochs, lr, d2l.try_gpu()) is None
    match = LINES.fullmatch(capsys.readouterr().out)
    assert match
    assert match[5] == d2l.try_gpu()


@pytest.mark.usefixtures("data")
def test_the_training_is_that_of_the_trainer_with_the_books_recipe(capsys: pytest.CaptureFixture[str]):
    train_iter, test_iter = d2l.load_data_fashion_mnist(64)
    net, other = lenet(), lenet()
    d2l.train_ch6(net, train_iter, test_iter, 3, 0.9, "cpu", seed=5)
    other.initialize("d2l", 5)
    trainer = Trainer(other, optim.SGD(0.9), nn.CrossEntropyLoss(), "cpu")
    row = trainer.fit(train_iter.dataset, test_iter.dataset, epochs=3, batch_size=64, seed=5)[-1]
    for name, weight in net.state_dict().items():
        np.testing.assert_array_equal(weight, other.state_dict()[name])
    match = LINES.fullmatch(capsys.readouterr().out)
    assert match
    assert [match[n] for n in (1, 2, 3)] == [
        f"{figure:.3f}" for figure in (row.train_loss, row.train_accuracy, row.test_accuracy)
    ]


def test_batches_of_ones_own_train_too(capsys: pytest.CaptureFixture[str]):
    digits = datasets.Digits(size=120)
    images = digits.images.astype(np.float32) / np.float32(255)
    batches = [(images[n : n + 40], digits.labels[n : n + 40]) for n in range(0, 120, 40)]
    loader = d2l.DataLoader(digits, 40)
    nets = lenet(), lenet()
    d2l.train_ch6(nets[0], batches, batches, 2, 0.5, "cpu", seed=1)
    d2l.train_ch6(nets[1], loader, loader, 2, 0.5, "cpu", seed=1)
    assert len(LINES.findall(capsys.readouterr().out)) == 2
    for one, other in zip(nets[0].state_dict().values(), nets[1].state_dict().values(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_without_a_seed_every_training_is_another(capsys: pytest.CaptureFixture[str]):
    loader = d2l.DataLoader(datasets.Digits(size=50), 50)
    nets = lenet(), lenet()
    for net in nets:
        d2l.train_ch6(net, loader, loader, 1, 0.5, "cpu")
    assert not np.array_equal(nets[0][0].weight, nets[1][0].weight)
    assert capsys.readouterr().out


def test_bad_arguments_are_refused():
    loader = d2l.DataLoader(datasets.Digits(size=50), 50)
    with pytest.raises(TypeError, match="train_ch6: expected a net, got Conv2d"):
        d2l.train_ch6(nn.Conv2d(1, 1, 3), loader, loader, 1, 0.9)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="train_ch6: expected batches of .images, labels."):
        d2l.train_ch6(lenet(), 7, loader, 1, 0.9)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="expected at least one batch, got none"):
        d2l.train_ch6(lenet(), [], loader, 1, 0.9)
    with pytest.raises(ValueError, match="expected device to be one of auto, cpu, cuda, got 'tpu'"):
        d2l.train_ch6(lenet(), loader, loader, 1, 0.9, "tpu")
    with pytest.raises(ValueError, match="expected device 'cpu', 'cuda' or 'cuda:0', got 'cuda:3'"):
        d2l.train_ch6(lenet(), loader, loader, 1, 0.9, "cuda:3")
    with pytest.raises(ValueError, match="SGD: expected lr of at least 0"):
        d2l.train_ch6(lenet(), loader, loader, 1, -0.9)


def test_a_wrong_learning_rate_leaves_the_net_alone():
    net, loader = lenet(), d2l.DataLoader(datasets.Digits(size=50), 50)
    before = net.state_dict()
    with pytest.raises(TypeError, match="lr"):
        d2l.train_ch6(net, loader, loader, 1, "fast")  # type: ignore[arg-type]
    assert all(np.array_equal(before[name], weight) for name, weight in net.state_dict().items())


def test_in_a_notebook_the_curves_grow(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    pytest.importorskip("matplotlib")
    cell = enter_notebook(monkeypatch)
    loader = d2l.DataLoader(datasets.Digits(size=100), 50)
    d2l.train_ch6(lenet(), loader, loader, 3, 0.9)
    (states,) = cell.shown
    assert len(states) >= 3
    first, last = states[-1].axes[0].get_xlim()
    assert 0 < first <= 1  # within the first epoch, if that takes its time
    assert last == 3
    assert LINES.fullmatch(capsys.readouterr().out)


def test_in_a_notebook_without_matplotlib_a_line_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    cell = enter_notebook(monkeypatch)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    loader = d2l.DataLoader(datasets.Digits(size=50), 50)
    d2l.train_ch6(lenet(), loader, loader, 1, 0.9)
    first, _, rest = capsys.readouterr().out.partition("\n")
    assert first == 'no curves: LiveCurves: needs matplotlib; pip install "convlet[plots]"'
    assert LINES.fullmatch(rest)
    assert not cell.shown


class TestLoading:
    @pytest.mark.usefixtures("data")
    def test_batches_are_float32_from_0_to_1(self):
        train_iter, test_iter = d2l.load_data_fashion_mnist(128)
        shapes = [images.shape for images, _ in train_iter]
        assert shapes == [(128, 1, 28, 28), (128, 1, 28, 28), (44, 1, 28, 28)]
        assert (len(train_iter), len(test_iter)) == (3, 1)
        images, labels = next(iter(test_iter))
        assert images.dtype == np.float32
        assert labels.dtype == np.int64
        np.testing.assert_array_equal(images, test_iter.dataset.images.astype(np.float32) / np.float32(255))

    @pytest.mark.usefixtures("data")
    def test_each_loop_has_another_order_and_every_image_once(self):
        train_iter, _ = d2l.load_data_fashion_mnist(128)
        loops = [np.concatenate([images for images, _ in train_iter]) for _ in range(2)]
        assert not np.array_equal(loops[0], loops[1])
        sums = [np.sort(loop.sum(axis=(1, 2, 3), dtype=np.float64)) for loop in loops]
        np.testing.assert_allclose(sums[0], sums[1])

    def test_images_are_resized(self, folder: Path):
        from PIL import Image

        train_iter, test_iter = d2l.load_data_fashion_mnist(32, resize=40, root=folder)
        assert next(iter(train_iter))[0].shape == (32, 1, 40, 40)
        whole = datasets.FashionMNIST(folder, train=False)
        scaled = Image.fromarray(whole.images[3, 0]).resize((40, 40), Image.Resampling.BILINEAR)
        np.testing.assert_array_equal(test_iter.dataset.images[3, 0], np.asarray(scaled))
        oblong, _ = d2l.load_data_fashion_mnist(32, resize=(20, 30), root=folder)
        assert next(iter(oblong))[0].shape == (32, 1, 20, 30)

    def test_bad_sizes_are_refused(self, folder: Path):
        with pytest.raises(ValueError, match="load_data_fashion_mnist: expected resize of at least 1, got 0"):
            d2l.load_data_fashion_mnist(32, resize=0, root=folder)
        with pytest.raises(TypeError, match="load_data_fashion_mnist: expected batch_size to be an integer"):
            d2l.load_data_fashion_mnist(32.0, root=folder)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="expected a data set of convlet.datasets, got list"):
            d2l.DataLoader([], 32)  # type: ignore[arg-type]

    def test_labels_are_the_books_words(self):
        assert d2l.get_fashion_mnist_labels([0, 9, 6]) == ["t-shirt", "ankle boot", "shirt"]
        with pytest.raises(ValueError, match="expected labels in 0..9, got 10 at position 1"):
            d2l.get_fashion_mnist_labels([0, 10])
