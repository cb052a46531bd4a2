"""What the engine refuses, before it has changed anything."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from convlet import _core
from engine_run import ADAM, CROSS_ENTROPY, SGD, EngineRun
from networks import RELU_MAX_POOL

IMAGES, LABELS = RELU_MAX_POOL.data(40)
ORDER = np.arange(40)


def changed(array: np.ndarray, place: int, value: int) -> np.ndarray:
    copy = array.copy()
    copy[place] = value
    return copy


BAD = {
    "a label too large": ({"labels": changed(LABELS, 7, 10)}, "0..9", "10"),
    "a negative label": ({"labels": changed(LABELS, 39, -1)}, "0..9", "-1"),
    "labels too few": ({"labels": LABELS[:39]}, "(40,)", "(39,)"),
    "images of another size": ({"images": IMAGES[:, :, 1:].copy()}, "(40, 1, 12, 14)", "(40, 1, 11, 14)"),
    "an order beyond the images": ({"order": changed(ORDER, 3, 40)}, "0..39", "40"),
    "a negative order": ({"order": changed(ORDER, 3, -1)}, "0..39", "-1"),
    "a batch of nothing": ({"batch_size": 0}, "at least 1", "0"),
    "learning rates too few": ({"learning_rates": np.ones(2)}, "(3,)", "(2,)"),
    "parameters too few": ({"parameters": np.zeros(5, np.float32)}, "(4066,)", "(5,)"),
    "state of another optimizer": ({"optimizer": ADAM}, "(2, 4066)", "(0, 4066)"),
    "totals too few": ({"totals": np.zeros(3)}, "(4,)", "(3,)"),
}


PARAMETERS = EngineRun(RELU_MAX_POOL.make(), RELU_MAX_POOL.input_shape).parameters
BAD_TYPES = {
    "parameters of another type": ({"parameters": PARAMETERS.astype(np.float64)}, "float32", "float64"),
    "parameters with gaps": ({"parameters": np.repeat(PARAMETERS, 2)[::2]}, "C-contiguous", "another layout"),
    "labels of float type": ({"labels": LABELS.astype(np.float32)}, "int64", "float32"),
    "an order of float type": ({"order": ORDER.astype(np.float64)}, "int64", "float64"),
    "images of integers": ({"images": IMAGES.astype(np.int64)}, "float32", "int64"),
}


def train(**changes: Any) -> None:
    """A training call with everything right but what is changed."""
    run = EngineRun(RELU_MAX_POOL.make(), RELU_MAX_POOL.input_shape)
    arguments = {
        "parameters": run.parameters,
        "state": run.state,
        "images": IMAGES,
        "labels": LABELS,
        "order": ORDER,
        "batch_size": 16,
        "learning_rates": np.full(3, 0.1),
        "optimizer": SGD,
        "loss": CROSS_ENTROPY,
        "totals": run.totals,
        "progress": None,
    } | changes
    before = arguments["parameters"].copy()
    try:
        run.engine.train(*arguments.values())
    finally:
        if changes:
            assert np.array_equal(arguments["parameters"], before)
            assert not arguments["totals"].any()


def test_the_call_is_right_without_a_change():
    train()


def refusal(error: type[Exception], changes: dict[str, Any]) -> tuple[str, str]:
    """What the message says before and after "got"."""
    with pytest.raises(error, match=r"^(engine|cross_entropy): expected .*got ") as caught:
        train(**changes)
    before, _, after = str(caught.value).partition("got ")
    return before, after


@pytest.mark.parametrize("changes, expected, got", BAD.values(), ids=BAD)
def test_wrong_values_are_refused(changes: dict[str, Any], expected: str, got: str):
    before, after = refusal(ValueError, changes)
    assert expected in before
    assert got in after


@pytest.mark.parametrize("changes, expected, got", BAD_TYPES.values(), ids=BAD_TYPES)
def test_what_would_need_a_copy_is_refused(changes: dict[str, Any], expected: str, got: str):
    """The engine writes into the caller's arrays, so a silent copy would lose the training."""
    before, after = refusal(TypeError, changes)
    assert expected in before
    assert got in after


def test_parameters_that_cannot_be_written_are_refused():
    frozen = PARAMETERS.copy()
    frozen.flags.writeable = False
    with pytest.raises(
        ValueError, match=r"^engine: expected a writable array for parameters, got a read-only one"
    ):
        train(parameters=frozen)


LAYERS: dict[str, tuple[list[dict[str, Any]], tuple[int, ...]]] = {
    "a dense layer on images": (
        [{"kind": "linear", "in_features": 4, "out_features": 2, "bias": True}],
        (1, 2, 2),
    ),
    "features that do not fit": (
        [{"kind": "flatten"}, {"kind": "linear", "in_features": 5, "out_features": 2, "bias": True}],
        (1, 2, 2),
    ),
    "a layer of an unknown kind": ([{"kind": "transformer"}], (1, 2, 2)),
    "means of other channels": ([{"kind": "normalize", "mean": [0.0], "std": [1.0]}], (2, 2, 2)),
    "normalization of rows": ([{"kind": "normalize", "mean": [0.0], "std": [1.0]}], (1,)),
    "means without deviations": ([{"kind": "normalize", "mean": [0.0], "std": []}], (1, 2, 2)),
    "a share above 1": ([{"kind": "dropout", "p": 1.5}], (1, 2, 2)),
    "dropout too far behind": ([{"kind": "relu"}] * 2**15 + [{"kind": "dropout", "p": 0.5}], (1,)),
    "global pooling of rows": ([{"kind": "adaptive_avg_pool2d"}], (4,)),
    "an image without rows": ([{"kind": "flatten"}], (1, 0, 2)),
    "a shape of two sizes": ([{"kind": "flatten"}], (2, 2)),
}


@pytest.mark.parametrize("layers, shape", LAYERS.values(), ids=LAYERS)
def test_a_plan_refuses(layers: list[dict[str, Any]], shape: tuple[int, ...]):
    with pytest.raises(ValueError, match=r": expected .*got "):
        _core.Plan(layers, shape)
