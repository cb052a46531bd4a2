"""Optimizers on device arrays: the CPU's steps, in place, with a state that goes where the parameters are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from convlet import cuda, optim
from tolerances import assert_same_bits

pytestmark = pytest.mark.usefixtures("device")

SHAPES = {"weight": (30, 41), "bias": (30,), "scale": (), "none": (0, 3)}
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "sgd": ("SGD", {}),
    "sgd with decay": ("SGD", {"weight_decay": 0.05}),
    "momentum": ("SGD", {"momentum": 0.9, "dampening": 0.3}),
    "nesterov": ("SGD", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.05}),
    "adam": ("Adam", {}),
    "adam with decay": ("Adam", {"weight_decay": 0.05, "betas": (0.5, 0.8)}),
    "adamw": ("AdamW", {}),
}


def make(kind: str) -> optim.Optimizer:
    name, options = KINDS[kind]
    optimizer: optim.Optimizer = getattr(optim, name)(0.05, **options)
    return optimizer


def tensors(rng: np.random.Generator) -> dict[str, np.ndarray]:
    return {name: np.asarray(rng.standard_normal(shape), np.float32) for name, shape in SHAPES.items()}


def uploaded(arrays: dict[str, np.ndarray]) -> dict[str, cuda.DeviceArray]:
    return {name: cuda.array(array) for name, array in arrays.items()}


def assert_close(there: dict[str, cuda.DeviceArray], here: dict[str, np.ndarray]) -> None:
    for name, array in here.items():
        np.testing.assert_allclose(there[name].to_numpy(), array, rtol=2e-6, atol=2e-7)


@pytest.mark.parametrize("kind", KINDS)
def test_ten_steps_are_those_of_the_cpu(kind: str, rng: np.random.Generator):
    here = tensors(rng)
    there, mine, theirs = uploaded(here), make(kind), make(kind)
    for _ in range(10):
        gradients = tensors(rng)
        mine.step(here, gradients)
        theirs.step(there, uploaded(gradients))
    assert theirs.steps_done == 10
    assert_close(there, here)
    np.testing.assert_allclose(theirs.state_dict()["state"], mine.state_dict()["state"], rtol=2e-6, atol=2e-7)


@pytest.mark.parametrize("kind", KINDS)
def test_the_state_follows_the_parameters_from_place_to_place(kind: str, rng: np.random.Generator):
    here, optimizer, expected = tensors(rng), make(kind), make(kind)
    reference = {name: array.copy() for name, array in here.items()}
    for place in ("device", "device", "cpu", "device", "cpu", "cpu"):
        gradients = tensors(rng)
        expected.step(reference, gradients)
        if place == "cpu":
            optimizer.step(here, gradients)
        else:
            there = uploaded(here)
            optimizer.step(there, uploaded(gradients))
            here = {name: array.to_numpy() for name, array in there.items()}
    for name, array in reference.items():
        np.testing.assert_allclose(here[name], array, rtol=5e-6, atol=5e-7)


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_goes_on_from_its_state_with_the_same_bits(kind: str, rng: np.random.Generator):
    start, gradients = tensors(rng), [uploaded(tensors(rng)) for _ in range(4)]
    whole, first = make(kind), make(kind)
    expected, there = uploaded(start), uploaded(start)
    for g in gradients:
        whole.step(expected, g)
    for g in gradients[:2]:
        first.step(there, g)
    second = make(kind)
    second.load_state_dict(first.state_dict())
    for g in gradients[2:]:
        second.step(there, g)
    for name in SHAPES:
        assert_same_bits(there[name].to_numpy(), expected[name].to_numpy(), name)


def test_the_state_lies_with_the_parameters_and_comes_back_when_asked_for(rng: np.random.Generator):
    optimizer, there = make("adam"), uploaded(tensors(rng))
    held = cuda.allocated_bytes()
    optimizer.step(there, {name: array.copy() for name, array in there.items()})
    count = sum(array.size for array in there.values())
    assert cuda.allocated_bytes() == held + 2 * 4 * count
    state = optimizer.state_arrays(count)
    assert isinstance(state, np.ndarray)
    assert state.any()
    assert cuda.allocated_bytes() == held
    assert optimizer.state_arrays(count) is state


def test_a_bad_step_changes_nothing(rng: np.random.Generator):
    there, optimizer = uploaded({"w": np.ones(3, np.float32), "v": np.ones(2, np.float32)}), make("momentum")
    with pytest.raises(ValueError, match=r"SGD\.step: gradients: expected v of shape \(2,\), got \(3,\)"):
        optimizer.step(there, uploaded({"w": np.ones(3, np.float32), "v": np.ones(3, np.float32)}))
    assert there["w"].to_numpy().tolist() == [1, 1, 1]
    assert optimizer.steps_done == 0
