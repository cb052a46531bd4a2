"""`convlet.functional`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from arguments.arrays import Classes, Reals
from arguments.kinds import Flag, Integer, Number, Size, Word
from arguments.subject import Subject
from convlet import functional as f


def ones(*shape: int) -> np.ndarray[Any, Any]:
    return np.linspace(0.1, 1, int(np.prod(shape)), dtype=np.float32).reshape(shape)


X, W, B = ones(2, 4, 6, 5), ones(6, 2, 3, 2), ones(6)
SAME_WORDS = {"padding": ("padding", "kernel"), "stride": ("stride",), "dilation": ("dilation", "kernel")}
SLIDING = {"stride": Size(1), "padding": Size(0, low=0, sides=True), "dilation": Size(1)}
WINDOW = {"kernel_size": Size(2), **SLIDING, "ceil_mode": Flag()}
AVERAGE = {"count_include_pad": Flag(True), "divisor_override": Integer(3, optional=True)}
# The batch and the size of an image are free, and a batch of one has every image's shape.
IMAGES = Reals(X, free=(0, 2, 3))
ANY = Reals(ones(3, 4), any_shape=True)


def _conv2d() -> list[Subject]:
    weight = Reals(W, free=(0, 2, 3))
    options = {**SLIDING, "groups": Integer(2)}
    says = {
        "groups": ("groups",),
        "x": ("weight", "kernel"),
        "weight": ("kernel", "channel", "bias", "dy"),
        **SAME_WORDS,
    }
    return [
        Subject(
            "conv2d",
            f.conv2d,
            {"x": IMAGES, "weight": weight, "bias": Reals(B, optional=True), **options},
            says,
        ),
        Subject(
            "conv2d_backward",
            f.conv2d_backward,
            {"dy": Reals(ones(2, 6, 4, 4)), "x": Reals(X), "weight": Reals(W), **options},
            {
                **says,
                "x": ("dy", "weight", "kernel"),
                "stride": ("stride", "dy"),
                "padding": ("padding", "kernel", "dy"),
            },
        ),
        Subject(
            "corr2d",
            f.corr2d,
            {"x": Reals(ones(4, 4), free=(0, 1)), "kernel": Reals(ones(2, 2), free=(0, 1))},
        ),
    ]


def _pooling() -> list[Subject]:
    pooled = ones(2, 4, 5, 4)
    strided = WINDOW
    says = {**SAME_WORDS, "kernel_size": ("kernel_size",), "x": ("kernel", "dy", "channel")}
    loose = {"stride": frozenset({"None"}), "x": frozenset({"one more along axis 1"})}
    return [
        Subject("max_pool2d", f.max_pool2d, {"x": IMAGES, **strided, "return_indices": Flag()}, says, loose),
        Subject(
            "max_pool2d_backward",
            f.max_pool2d_backward,
            {"dy": Reals(pooled), "x": Reals(X), **strided},
            says,
            loose,
        ),
        Subject("avg_pool2d", f.avg_pool2d, {"x": IMAGES, **strided, **AVERAGE}, says, loose),
        Subject(
            "avg_pool2d_backward",
            f.avg_pool2d_backward,
            {"dy": Reals(pooled), "x": Reals(X), **strided, **AVERAGE},
            says,
            loose,
        ),
    ]


def _dense() -> list[Subject]:
    rows, weight = Reals(ones(2, 4), free=(0,)), ones(3, 4)
    both = {"dy": ("y", "shape"), "y": ("dy", "shape")}
    found = [
        Subject(
            "linear",
            f.linear,
            {"x": rows, "weight": Reals(weight), "bias": Reals(ones(3), optional=True)},
            {"weight": ("features", "bias")},
        ),
        Subject(
            "linear_backward",
            f.linear_backward,
            {"dy": Reals(ones(2, 3)), "x": Reals(ones(2, 4)), "weight": Reals(weight)},
            {"weight": ("features", "dy", "x"), "x": ("dy",)},
        ),
        Subject(
            "dropout",
            f.dropout,
            {
                "x": ANY,
                "p": Number(0.5, high=1),
                "seed": Integer(0, low=0, high=2**64 - 1),
                "step": Integer(0, low=0, high=2**48 - 1),
                "layer": Integer(0, low=0, high=2**15 - 1),
            },
        ),
        Subject("flatten", f.flatten, {"x": ANY, "start_dim": Integer(1, low=-2, high=1)}),
        Subject(
            "normalize",
            f.normalize,
            {"x": IMAGES, "mean": Reals(ones(4)), "std": Reals(ones(4))},
            {"x": ("mean",)},
        ),
        Subject(
            "normalize_backward",
            f.normalize_backward,
            {"dy": IMAGES, "std": Reals(ones(4))},
            {"dy": ("x", "mean", "std"), "std": ("mean",)},
        ),
    ]
    for name in ("relu", "sigmoid", "tanh"):
        found.append(Subject(name, getattr(f, name), {"x": ANY}))
        pair = {"dy": Reals(ones(3, 4)), "y": Reals(ones(3, 4))}
        found.append(Subject(f"{name}_backward", getattr(f, f"{name}_backward"), pair, both))
    for name in ("softmax", "log_softmax"):
        dim = Integer(-1, low=-2, high=1)
        found.append(Subject(name, getattr(f, name), {"x": ANY, "dim": dim}))
        pair = {"dy": Reals(ones(3, 4)), "y": Reals(ones(3, 4)), "dim": dim}
        found.append(Subject(f"{name}_backward", getattr(f, f"{name}_backward"), pair, both))
    return found


def _losses() -> list[Subject]:
    arguments = {
        "logits": Reals(ones(4, 3)),
        "target": Classes(np.array([0, 1, 2, 0]), count=3),
        "weight": Reals(ones(3), optional=True),
        "ignore_index": Integer(-100, low=-(2**63), high=2**63 - 1),
        "reduction": Word("mean"),
        "label_smoothing": Number(0.1, high=1),
    }
    says = {"logits": ("labels", "weight"), "target": ("label",)}
    accepts = {"logits": frozenset({"one more along axis 1"})}
    return [
        Subject(name, getattr(f, name), {**arguments, "logits": Reals(ones(4, 3), free=(1,))}, says, accepts)
        for name in ("cross_entropy", "cross_entropy_backward")
    ]


def _with_voice(subject: Subject) -> Subject:
    """A gradient's sizes are those of the op, which speaks about them."""
    return replace(subject, voices=(subject.name.removesuffix("_backward"),))


SUBJECTS = [_with_voice(subject) for subject in (*_conv2d(), *_pooling(), *_dense(), *_losses())]
