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
    "labels too few": ({"labels": LABELS[:39]}, "40", "39"),
    "images of another size": ({"images": IMAGES[:, :, 1:]}, "(N, 1, 12, 14)", "(40, 1, 11, 14)"),
    "an order beyond the images": ({"order": changed(ORDER, 3, 40)}, "0..39", "40"),
    "a negative order": ({"order": changed(ORDER, 3, -1)}, "0..39", "-1"),
    "a batch of nothing": ({"batch_size": 0}, "at least 1", "0"),
    "learning rates too few": ({"learning_rates": np.ones(2)}, "3", "2"),
    "parameters too few": ({"parameters": np.zeros(5, np.float32)}, "parameters", "5"),
    "state of another optimizer": ({"optimizer": ADAM}, "2", "0"),
    "totals too few": ({"totals": np.zeros(3)}, "4", "3"),
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
        run.engine.train(
            *(np.ascontiguousarray(a) if isinstance(a, np.ndarray) else a for a in arguments.values())
        )
    finally:
        if changes:
            assert np.array_equal(arguments["parameters"], before)
            assert not arguments["totals"].any()


def test_the_call_is_right_without_a_change():
    train()


@pytest.mark.parametrize("changes, expected, got", BAD.values(), ids=BAD)
def test_training_refuses(changes: dict[str, Any], expected: str, got: str):
    with pytest.raises(ValueError, match=r"^train: expected ") as caught:
        train(**changes)
    message = str(caught.value)
    assert expected in message
    assert got in message.partition("got")[2]


LAYERS: dict[str, tuple[list[dict[str, Any]], tuple[int, ...]]] = {
    "a dense layer on images": (
        [{"kind": "linear", "in_features": 4, "out_features": 2, "bias": True}],
        (1, 2, 2),
    ),
    "features that do not fit": (
        [{"kind": "flatten"}, {"kind": "linear", "in_features": 5, "out_features": 2, "bias": True}],
        (1, 2, 2),
    ),
    "a layer of an unknown kind": ([{"kind": "dropout"}], (1, 2, 2)),
    "an image without rows": ([{"kind": "flatten"}], (1, 0, 2)),
    "a shape of two sizes": ([{"kind": "flatten"}], (2, 2)),
}


@pytest.mark.parametrize("layers, shape", LAYERS.values(), ids=LAYERS)
def test_a_plan_refuses(layers: list[dict[str, Any]], shape: tuple[int, ...]):
    with pytest.raises(ValueError, match=r": expected .*got "):
        _core.Plan(layers, shape)
