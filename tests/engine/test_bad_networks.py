"""Layers, optimizers and networks refuse what cannot work, and say why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bad_input import Bad, assert_refused
from convlet import Trainer, nn, optim

TYPE, VALUE = TypeError, ValueError
NAN, INF = float("nan"), float("inf")
HUGE = 2**40

LAYERS = [
    Bad("no channels", "Conv2d", lambda: nn.Conv2d(0, 6, 5), VALUE, "in_channels of at least 1", "0"),
    Bad(
        "channels fractional",
        "Conv2d",
        lambda: nn.Conv2d(1.5, 6, 5),
        TYPE,
        "in_channels to be an integer",
        "1.5",
    ),
    Bad("kernel zero", "Conv2d", lambda: nn.Conv2d(1, 6, (5, 0)), VALUE, "kernel_size of at least 1", "0"),
    Bad("groups", "Conv2d", lambda: nn.Conv2d(4, 6, 5, groups=4), VALUE, "groups that divide", "4"),
    Bad("same with stride", "Conv2d", lambda: nn.Conv2d(1, 6, 5, 2, "same"), VALUE, "stride 1", "(2, 2)"),
    Bad("bias a number", "Conv2d", lambda: nn.Conv2d(1, 6, 5, bias=1), TYPE, "True or False", "1"),
    Bad(
        "size overflows",
        "Conv2d",
        lambda: nn.Conv2d(2**31 - 1, 2**31 - 1, 2**15),
        VALUE,
        "a weight of at most",
        "2147483647",
    ),
    Bad("features zero", "Linear", lambda: nn.Linear(4, 0), VALUE, "out_features of at least 1", "0"),
    Bad(
        "features too many", "Linear", lambda: nn.Linear(HUGE, 2), VALUE, "in_features of at most", str(HUGE)
    ),
    Bad(
        "size overflows",
        "Linear",
        lambda: nn.Linear(2**31 - 1, 2**31 - 1),
        VALUE,
        "a weight of at most",
        "2147483647",
    ),
    Bad(
        "kernel missing",
        "MaxPool2d",
        lambda: nn.MaxPool2d(None),
        TYPE,
        "kernel_size to be an integer",
        "None",
    ),
    Bad("stride negative", "AvgPool2d", lambda: nn.AvgPool2d(2, -2), VALUE, "stride of at least 1", "-2"),
    Bad(
        "smoothing negative",
        "CrossEntropyLoss",
        lambda: nn.CrossEntropyLoss(label_smoothing=-0.1),
        VALUE,
        "at least 0",
        "-0.1",
    ),
    Bad("a word for a layer", "Sequential", lambda: nn.Sequential("relu"), TYPE, "layer", "'relu'"),
    Bad("rate no number", "SGD", lambda: optim.SGD(NAN), VALUE, "lr to be finite", "nan"),
    Bad("rate infinite", "SGD", lambda: optim.SGD(INF), VALUE, "lr to be finite", "inf"),
    Bad("rate negative", "SGD", lambda: optim.SGD(-0.1), VALUE, "lr of at least 0", "-0.1"),
    Bad("rate a word", "SGD", lambda: optim.SGD("0.1"), TYPE, "lr to be a real number", "'0.1'"),
    Bad(
        "momentum negative", "SGD", lambda: optim.SGD(0.1, momentum=-1), VALUE, "momentum of at least 0", "-1"
    ),
    Bad(
        "decay no number",
        "SGD",
        lambda: optim.SGD(0.1, weight_decay=NAN),
        VALUE,
        "weight_decay to be finite",
        "nan",
    ),
    Bad("nesterov alone", "SGD", lambda: optim.SGD(0.1, nesterov=True), VALUE, "momentum", "0"),
    Bad("rate no number", "Adam", lambda: optim.Adam(NAN), VALUE, "lr to be finite", "nan"),
    Bad("beta of one", "Adam", lambda: optim.Adam(betas=(0.9, 1.0)), VALUE, "beta", "1.0"),
    Bad("eps negative", "AdamW", lambda: optim.AdamW(eps=-1e-8), VALUE, "eps of at least 0", "-1e-08"),
]


def zeros(*shape: int, kind: str = "f4") -> np.ndarray:
    return np.zeros(shape, kind)


def lenet() -> nn.Sequential:
    return nn.LeNet().initialize("xavier_uniform", 0)


def on(device: str) -> Callable[[], Trainer]:
    return lambda: Trainer(lenet(), optim.SGD(0.1), nn.CrossEntropyLoss(), device=device)


def fit(images: Any, labels: Any, **options: Any) -> Callable[[], Any]:
    return lambda: on("cpu")().fit((images, labels), **({"epochs": 1} | options))


def step(images: Any, labels: Any) -> Callable[[], Any]:
    return lambda: lenet().loss_and_gradients(images, labels, nn.CrossEntropyLoss())


IMAGES = zeros(4, 1, 28, 28)
TARGET = zeros(4, kind="i8")
NETWORKS = [
    Bad("images of another size", "LeNet", lambda: lenet()(zeros(4, 1, 27, 28)), VALUE, "400", "27"),
    Bad("images of two channels", "LeNet", lambda: lenet()(zeros(4, 2, 28, 28)), VALUE, "1", "2"),
    Bad("images of rank 3", "LeNet", lambda: lenet()(zeros(4, 28, 28)), VALUE, "(N, ", "(4, 28, 28)"),
    Bad("images of int64", "LeNet", lambda: lenet()(zeros(4, 1, 28, 28, kind="i8")), TYPE, "uint8", "int64"),
    Bad("images complex", "LeNet", lambda: lenet()(IMAGES * 1j), TYPE, "uint8", "complex"),
    Bad("labels missing", "loss_and_gradients", step(IMAGES, TARGET[:3]), VALUE, "4", "3"),
    Bad("labels too large", "loss_and_gradients", step(IMAGES, TARGET + 10), VALUE, "0..9", "10"),
    Bad("labels of float type", "loss_and_gradients", step(IMAGES, zeros(4)), TYPE, "integer", "float32"),
    Bad("no images", "loss_and_gradients", step(IMAGES[:0], TARGET[:0]), VALUE, "mean", "0"),
    Bad(
        "scheme unknown",
        "initialize",
        lambda: nn.LeNet().initialize("zeros", 0),
        VALUE,
        "xavier_uniform",
        "'zeros'",
    ),
    Bad("labels missing", "fit", fit(IMAGES, TARGET[:3]), VALUE, "4", "3"),
    Bad("labels of float type", "fit", fit(IMAGES, zeros(4)), TYPE, "integer", "float32"),
    Bad("labels too large", "fit", fit(IMAGES, TARGET + 10), VALUE, "0..9", "10"),
    Bad("images of three channels", "fit", fit(zeros(4, 3, 28, 28), TARGET), VALUE, "1", "3"),
    Bad("no epochs", "fit", fit(IMAGES, TARGET, epochs=0), VALUE, "epochs of at least 1", "0"),
    Bad(
        "batches of nothing", "fit", fit(IMAGES, TARGET, batch_size=0), VALUE, "batch_size of at least 1", "0"
    ),
    Bad("seed of float type", "fit", fit(IMAGES, TARGET, seed=1.0), TYPE, "seed to be an integer", "1.0"),
    Bad("device unknown", "Trainer", on("tpu"), VALUE, "auto, cpu, cuda", "'tpu'"),
]


@pytest.mark.parametrize("bad", LAYERS + NETWORKS, ids=str)
def test_refusals_name_what_was_expected_and_what_came(bad: Bad):
    assert_refused(bad)
