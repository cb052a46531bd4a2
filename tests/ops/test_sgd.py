"""`optim.SGD` on plain arrays."""

from __future__ import annotations

import numpy as np
import pytest

from configurations import reals
from convlet import optim
from oracle import sgd as oracle
from tolerances import UPDATE, assert_close, assert_same_bits

OPTIONS = [
    {"lr": 0.5},
    {"lr": 0.5, "weight_decay": 0.25},
    {"lr": 0.1, "momentum": 0.9},
    {"lr": 0.1, "momentum": 0.9, "dampening": 0.5},
    {"lr": 0.1, "momentum": 0.9, "dampening": 0.5, "weight_decay": 0.01},
    {"lr": 0.1, "momentum": 0.8, "weight_decay": 0.01, "nesterov": True},
    {"lr": 0.0, "momentum": 0.9},
]
SHAPES = {"weight": (5, 3, 2, 2), "bias": (5,), "scale": (), "nothing": (0, 4), "large": (1003,)}


def tensors(rng: np.random.Generator) -> dict[str, np.ndarray]:
    return {name: reals(rng, shape) for name, shape in SHAPES.items()}


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_steps_follow_the_formula(options: dict, isa: str, threads: int, rng: np.random.Generator):
    """Each step from the library's own parameter, so that roundings do not pile up."""
    parameters, buffers = tensors(rng), dict.fromkeys(SHAPES)
    optimizer = optim.SGD(**options)
    for _ in range(4):
        gradients = tensors(rng)
        before = {name: a.copy() for name, a in parameters.items()}
        kept = {name: a.copy() for name, a in gradients.items()}
        optimizer.step(parameters, gradients)
        for name in SHAPES:
            expected, buffers[name] = oracle.step(before[name], gradients[name], buffers[name], **options)
            magnitude = abs(before[name]) + 4 * options["lr"] * (1 + abs(expected))
            assert_close(parameters[name], expected, magnitude, 1, UPDATE, name)
            assert_same_bits(gradients[name], kept[name], f"the gradient of {name}")


def test_a_step_without_options_is_exact():
    parameters, gradients = {"w": np.array([1, -2, 0.5], np.float32)}, {"w": np.array([2, 4, -8], np.float32)}
    optim.SGD(0.25).step(parameters, gradients)
    assert parameters["w"].tolist() == [0.5, -3, 2.5]


def test_parameters_change_in_place(rng: np.random.Generator):
    parameters = tensors(rng)
    same = dict(parameters)
    optim.SGD(0.1, momentum=0.9).step(parameters, tensors(rng))
    assert all(parameters[name] is same[name] for name in SHAPES)


@pytest.mark.torch
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_agrees_with_torch(options: dict, rng: np.random.Generator):
    torch = pytest.importorskip("torch")
    parameters = tensors(rng)
    theirs = {name: torch.tensor(a) for name, a in parameters.items()}
    mine, reference = optim.SGD(**options), torch.optim.SGD(theirs.values(), **options)
    for _ in range(5):
        gradients = tensors(rng)
        for name, gradient in gradients.items():
            theirs[name].grad = torch.tensor(gradient)
        mine.step(parameters, gradients)
        reference.step()
    for name in SHAPES:
        np.testing.assert_allclose(parameters[name], theirs[name].numpy(), rtol=1e-5, atol=1e-6)
