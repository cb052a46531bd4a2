"""The chapter of the newer edition, cell by cell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convlet import Trainer, d2l, nn, optim


class MyLeNet(d2l.Classifier):
    """As the chapter has it."""

    def __init__(self, lr: float = 0.1, num_classes: int = 10) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(
            nn.LazyConv2d(6, kernel_size=5, padding=2),
            nn.Sigmoid(),
            nn.AvgPool2d(kernel_size=2, stride=2),
            nn.LazyConv2d(16, kernel_size=5),
            nn.Sigmoid(),
            nn.AvgPool2d(kernel_size=2, stride=2),
            nn.Flatten(),
            nn.LazyLinear(120),
            nn.Sigmoid(),
            nn.LazyLinear(84),
            nn.Sigmoid(),
            nn.LazyLinear(num_classes),
        )


@pytest.mark.usefixtures("data")
@pytest.mark.parametrize("kind", [d2l.LeNet, MyLeNet])
def test_the_chapters_cell_runs(kind: type[d2l.LeNet], capsys: pytest.CaptureFixture[str]):
    trainer = d2l.Trainer(max_epochs=2, num_gpus=0)
    data = d2l.FashionMNIST(batch_size=128)
    model = kind(lr=0.1)
    model.apply_init([next(iter(data.get_dataloader(True)))[0]], d2l.init_cnn)
    trainer.fit(model, data)
    assert len(trainer.history) == 2
    assert trainer.model is model
    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("data")
def test_the_training_is_that_of_the_trainer():
    data, model, net = d2l.FashionMNIST(batch_size=50), d2l.LeNet(lr=0.2), nn.LeNet(seed=3)
    model.net.load_state_dict(net.state_dict())
    d2l.Trainer(max_epochs=2, seed=8).fit(model, data)
    Trainer(net, optim.SGD(0.2), nn.CrossEntropyLoss(), "cpu").fit(
        data.train, data.val, epochs=2, batch_size=50, seed=8
    )
    for name, weight in model.parameters().items():
        np.testing.assert_array_equal(weight, net.parameters()[name])


@pytest.mark.parametrize("kind", [d2l.LeNet, MyLeNet])
def test_the_summary_of_layers_is_the_books(kind: type[d2l.LeNet], capsys: pytest.CaptureFixture[str]):
    kind().layer_summary((1, 1, 28, 28))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Conv2d output shape:\t (1, 6, 28, 28)"
    assert lines[-1] == "Linear output shape:\t (1, 10)"
    assert len(lines) == 12


def test_init_cnn_draws_weights_and_leaves_biases():
    layer = nn.Linear(300, 200, seed=1)
    bias = layer.bias.copy()
    d2l.init_cnn(layer, seed=2)
    bound = (6 / 500) ** 0.5
    assert np.abs(layer.weight).max() <= bound
    assert layer.weight.std() == pytest.approx(bound / 3**0.5, rel=0.02)
    np.testing.assert_array_equal(layer.bias, bias)
    d2l.init_cnn(nn.Conv2d(1, 2, 3, bias=False))
    d2l.init_cnn(nn.Sigmoid())


def test_losses_and_accuracies_of_a_model():
    model, rng = d2l.LeNet(), np.random.default_rng(0)
    logits, labels = rng.standard_normal((20, 10)), rng.integers(0, 10, 20)
    right = logits.argmax(axis=1) == labels
    assert model.accuracy(logits, labels) == pytest.approx(right.mean())
    np.testing.assert_array_equal(model.accuracy(logits, labels, averaged=False), right)
    each = model.loss(logits, labels, averaged=False)
    assert each.shape == (20,)
    assert model.loss(logits, labels) == pytest.approx(each.mean())
    images = rng.random((3, 1, 28, 28), np.float32)
    np.testing.assert_array_equal(model(images), model.net(images))


def test_data_modules_find_resize_and_name(folder: Path):
    data = d2l.FashionMNIST(resize=(32, 32), root=folder)
    assert data.batch_size == 64
    assert (len(data.train), len(data.val)) == (300, 100)
    assert data.train[0][0].shape == (1, 32, 32)
    assert data.text_labels([2, 5]) == ["pullover", "sandal"]
    assert next(iter(data.val_dataloader()))[0].shape == (64, 1, 32, 32)
    assert data.train_dataloader().shuffle
    assert not data.val_dataloader().shuffle


def test_hyperparameters_are_kept():
    class Model(d2l.HyperParameters):
        def __init__(self, a: int, b: int = 2, **more: int) -> None:
            local = a + b
            assert local
            self.save_hyperparameters(ignore=["b"])

    model: Any = Model(1, c=3)
    assert model.hparams == {"a": 1, "c": 3}
    assert (model.a, model.c) == (1, 3)
    assert not hasattr(model, "b")


def test_a_method_can_be_added_to_a_class():
    class Thing:
        pass

    thing: Any = Thing()

    @d2l.add_to_class(Thing)
    def double(self: Thing, number: int) -> int:
        return 2 * number

    assert thing.double(4) == 8


class TestRefusals:
    """What the engine would not do is refused, and never left out in silence."""

    @pytest.fixture
    def fit(self, folder: Path) -> Any:
        return lambda model: d2l.Trainer(max_epochs=1).fit(model, d2l.FashionMNIST(root=folder))

    def test_a_step_of_ones_own(self, fit: Any):
        class Own(MyLeNet):
            def training_step(self, batch: Any) -> float:
                return 0.0

        with pytest.raises(TypeError, match="got one with training_step of its own"):
            fit(Own())

    def test_a_loss_of_ones_own(self, fit: Any):
        class Own(MyLeNet):
            def loss(self, Y_hat: Any, Y: Any, averaged: bool = True) -> float:
                return 0.0

        with pytest.raises(TypeError, match="got one with loss of its own"):
            fit(Own())

    def test_models_that_are_none(self, fit: Any):
        with pytest.raises(TypeError, match="expected a d2l.Classifier, got LeNet"):
            fit(nn.LeNet())
        with pytest.raises(TypeError, match="expected an nn.Sequential as self.net, got NoneType"):
            d2l.Classifier()(np.zeros((1, 1, 28, 28)))
        with pytest.raises(AttributeError, match="expected a learning rate as self.lr"):
            d2l.Classifier().configure_optimizers()

    def test_settings_out_of_range(self):
        with pytest.raises(ValueError, match="expected max_epochs of at least 1, got 0"):
            d2l.Trainer(max_epochs=0)
        with pytest.raises(ValueError, match="expected gradient_clip_val 0"):
            d2l.Trainer(max_epochs=1, gradient_clip_val=1)

    def test_a_data_module_without_data(self):
        with pytest.raises(TypeError, match="expected a data module with get_dataloader"):
            d2l.DataModule().train_dataloader()
