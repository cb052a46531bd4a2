"""`convlet.nn`: constructors, calls, what a net does with images, labels and states."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from arguments.arrays import Classes, Images, Reals
from arguments.functions import SAME_WORDS, SLIDING, ones
from arguments.kinds import Flag, Instance, Integer, Name, Number, Shape, Size, Word
from arguments.subject import Subject
from convlet import nn, reference

SEED = Integer(0, optional=True, low=0, high=2**64 - 1)
STRIDE_OF_KERNEL = {"stride": frozenset({"None"})}
POOLING = {
    "kernel_size": Size(2),
    "stride": Size(2),
    "padding": Size(0, low=0, sides=True),
    "ceil_mode": Flag(),
}
FOLDER = Path(tempfile.gettempdir())


def net() -> nn.Sequential:
    layers = nn.Conv2d(1, 2, 3, seed=1), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3, seed=2)
    return nn.Sequential(*layers)


NET = net()
NORMALIZED = nn.Sequential(nn.Normalize([0.5], [0.25]), *net())
CONV, DENSE, LAZY = nn.Conv2d(1, 2, 3, seed=0), nn.Linear(4, 3, seed=0), nn.LazyLinear(3)
IMAGES = Images(ones(4, 1, 6, 6), free=(0,))
LABELS = Classes(np.array([0, 1, 2, 0]), count=3)
ONE_IMAGE = {"x": frozenset({"an axis less"})}
X_WORDS = {"x": ("images", "labels", "batch"), "y": ("label",)}


def _load(state: Any, **options: Any) -> object:
    return NET.load_state_dict({**NET.state_dict(), "0.bias": state}, **options)


def _constructors() -> list[Subject]:
    channels = {"in_channels": Integer(2), "out_channels": Integer(2)}
    conv = {"kernel_size": Size(3), **SLIDING, "groups": Integer(2), "bias": Flag(True), "seed": SEED}
    loss = {
        "weight": Reals(ones(3), optional=True),
        "ignore_index": Integer(-100, low=-(2**63), high=2**63 - 1),
        "reduction": Word("mean"),
        "label_smoothing": Number(0.1, high=1),
    }
    any_length = {"weight": frozenset({"nothing along axis 0", "one more along axis 0"})}
    return [
        Subject("Conv2d", nn.Conv2d, {**channels, **conv}, SAME_WORDS),
        Subject(
            "Conv2d",
            nn.LazyConv2d,
            {"out_channels": Integer(2), **conv},
            {**SAME_WORDS, "out_channels": ("groups",)},
        ),
        Subject(
            "Linear",
            nn.Linear,
            {"in_features": Integer(2), "out_features": Integer(2), "bias": Flag(), "seed": SEED},
        ),
        Subject("Linear", nn.LazyLinear, {"out_features": Integer(2), "bias": Flag(), "seed": SEED}),
        Subject("MaxPool2d", nn.MaxPool2d, {**POOLING, "dilation": Size(1)}, accepts=STRIDE_OF_KERNEL),
        Subject(
            "AvgPool2d",
            nn.AvgPool2d,
            {**POOLING, "count_include_pad": Flag(), "divisor_override": Integer(2, optional=True)},
            accepts=STRIDE_OF_KERNEL,
        ),
        Subject("AdaptiveAvgPool2d", nn.AdaptiveAvgPool2d, {"output_size": Size(1)}),
        Subject("AdaptiveMaxPool2d", nn.AdaptiveMaxPool2d, {"output_size": Size(1)}),
        Subject("Softmax", nn.Softmax, {"dim": Integer(1, low=-(2**31) + 1)}),
        Subject("LogSoftmax", nn.LogSoftmax, {"dim": Integer(1, low=-(2**31) + 1)}),
        Subject("Dropout", nn.Dropout, {"p": Number(0.5, high=1)}),
        Subject(
            "Flatten",
            nn.Flatten,
            {"start_dim": Integer(1, low=1, high=1), "end_dim": Integer(-1, low=-1, high=-1)},
        ),
        Subject("Normalize", nn.Normalize, {"mean": Reals(ones(2)), "std": Reals(ones(2))}),
        Subject("Normalize.of", nn.Normalize.of, {"data": Images(ones(4, 1, 6, 6), free=(0, 1, 2, 3))}),
        Subject("CrossEntropyLoss", nn.CrossEntropyLoss, loss, accepts=any_length),
        Subject(
            "LeNet",
            nn.LeNet,
            {
                "in_channels": Integer(1),
                "num_classes": Integer(10),
                "image_size": Size(28, low=12),
                "seed": SEED,
            },
            voices=("initialize",),
        ),
        Subject("Sequential", lambda layer: nn.Sequential(nn.ReLU(), layer), {"layer": Instance(nn.ReLU())}),
        Subject("Sequential", lambda name: nn.Sequential({name: nn.ReLU()}), {"name": Name("first")}),
    ]


def _calls() -> list[Subject]:
    about = (NET,)
    data = {"x": IMAGES, "y": LABELS}
    step = {
        "seed": Integer(0, low=0, high=2**64 - 1),
        "step": Integer(0, optional=True, low=0, high=2**48 - 1),
    }
    images = {"x": ("images", "layers"), "y": ("labels",), "loss": ("loss",)}
    loss, device = Instance(nn.CrossEntropyLoss(), optional=True), Word("cpu")
    shape = Shape((1, 6, 6))
    return [
        Subject("Sequential", NET, {"x": IMAGES}, images, ONE_IMAGE, about),
        Subject("predict", NET.predict, {"x": IMAGES}, images, ONE_IMAGE, about),
        Subject("predict_proba", NET.predict_proba, {"x": IMAGES}, images, ONE_IMAGE, about),
        Subject("evaluate", NET.evaluate, {**data, "loss": loss, "device": device}, images, about=about),
        Subject(
            "loss_and_gradients",
            NET.loss_and_gradients,
            {**data, "loss": loss, "device": device, **step},
            images,
            about=about,
        ),
        Subject("plan", NET.plan, {"input_shape": shape}, about=about),
        Subject("plan", NET.summary, {"input_shape": shape}, about=about),
        Subject(
            "load_state_dict",
            NET.load_state_dict,
            {"state": Instance(NET.state_dict())},
            {"state": ("dict", "missing")},
            about=about,
        ),
        Subject(
            "load_state_dict",
            _load,
            {"state": Reals(ones(2)), "strict": Flag(True)},
            {"state": ("0.bias",)},
            about=about,
        ),
        Subject("initialize", nn.Linear(2, 2).initialize, {"scheme": Word("d2l"), "seed": SEED}),
        Subject("train", NET.train, {"mode": Flag(True)}, about=about),
        Subject(
            "Conv2d",
            lambda value: setattr(CONV, "weight", value),
            {"value": Reals(ones(2, 1, 3, 3))},
            {"value": ("weight",)},
            about=(CONV,),
        ),
        Subject(
            "Linear",
            lambda value: setattr(DENSE, "bias", value),
            {"value": Reals(ones(3))},
            {"value": ("bias",)},
            about=(DENSE,),
        ),
        Subject(
            "parameters",
            lambda value: NET.parameters().update({"0.bias": value}),
            {"value": Reals(ones(2))},
            {"value": ("0.bias",)},
            about=about,
        ),
        Subject(
            "cross_entropy",
            nn.CrossEntropyLoss(),
            {"logits": Reals(ones(4, 3), free=(1,)), "target": LABELS},
            {"logits": ("labels",), "target": ("label",)},
        ),
        Subject(
            "conv2d",
            CONV,
            {"x": Reals(ones(2, 1, 5, 5), free=(0, 2, 3))},
            {"x": ("weight", "kernel")},
            about=(CONV,),
        ),
        Subject("linear", DENSE, {"x": Reals(ones(2, 4), free=(0,))}, about=(DENSE,)),
        Subject("Dropout", nn.Dropout(0.5), {"x": Reals(ones(2, 4), any_shape=True)}),
        Subject("Identity", nn.Identity(), {"x": Reals(ones(2, 4), any_shape=True)}),
        Subject("flatten", nn.Flatten(), {"x": Reals(ones(2, 4), any_shape=True)}),
        Subject("softmax", nn.Softmax(1), {"x": Reals(ones(2, 4), any_shape=True)}),
        Subject(
            "AdaptiveAvgPool2d", nn.AdaptiveAvgPool2d(), {"x": Reals(ones(2, 1, 4, 4), free=(0, 1, 2, 3))}
        ),
        Subject(
            "reference",
            lambda **given: reference.forward(NET, **given),
            {"x": IMAGES},
            images,
            about=about,
            voices=("conv2d", "linear"),
        ),
    ]


SUBJECTS = [*_constructors(), *_calls()]
