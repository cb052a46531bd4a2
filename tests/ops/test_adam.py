"""`optim.Adam` and `optim.AdamW` on plain arrays."""

from __future__ import annotations

import numpy as np
import pytest

from configurations import reals
from convlet import optim
from oracle import adam as oracle
from tolerances import UPDATE, assert_close, assert_same_bits

OPTIONS = [
    ("Adam", {}),
    ("Adam", {"lr": 0.05, "betas": (0.8, 0.95), "eps": 1e-3}),
    ("Adam", {"lr": 0.01, "weight_decay": 0.1}),
    ("AdamW", {"lr": 0.01, "weight_decay": 0.1}),
    ("AdamW", {"lr": 0.01, "weight_decay": 0.0}),
]
SHAPES = {"weight": (5, 3, 2, 2), "bias": (5,), "scale": (), "nothing": (0, 4), "large": (1003,)}


def tensors(rng: np.random.Generator) -> dict[str, np.ndarray]:
    return {name: reals(rng, shape) for name, shape in SHAPES.items()}


@pytest.mark.parametrize("kind, options", OPTIONS, ids=str)
def test_steps_follow_the_formula(kind: str, options: dict, isa: str, threads: int, rng: np.random.Generator):
    """Each step from the library's own parameter, so that roundings do not pile up."""
    parameters = tensors(rng)
    moments = {name: (np.zeros(shape), np.zeros(shape)) for name, shape in SHAPES.items()}
    optimizer = getattr(optim, kind)(**options)
    lr = options.get("lr", 1e-3)
    for t in range(1, 5):
        gradients = tensors(rng)
        before = {name: a.copy() for name, a in parameters.items()}
        kept = {name: a.copy() for name, a in gradients.items()}
        optimizer.step(parameters, gradients)
        for name in SHAPES:
            expected, *moments[name] = oracle.step(
                before[name], gradients[name], *moments[name], t, **options, decoupled=kind == "AdamW"
            )
            magnitude = abs(before[name]) + 8 * lr
            assert_close(parameters[name], expected, magnitude, 1, UPDATE, f"{name}, step {t}")
            assert_same_bits(gradients[name], kept[name], f"the gradient of {name}")


def test_the_first_step_is_the_learning_rate_against_the_sign_of_the_gradient():
    parameters = {"w": np.zeros(3, np.float32)}
    optim.Adam(0.5).step(parameters, {"w": np.array([3, -1e-3, 0], np.float32)})
    np.testing.assert_allclose(parameters["w"], [-0.5, 0.5, 0], rtol=2e-5)


def test_parameters_change_in_place(rng: np.random.Generator):
    parameters = tensors(rng)
    same = dict(parameters)
    optim.Adam(0.1).step(parameters, tensors(rng))
    assert all(parameters[name] is same[name] for name in SHAPES)


@pytest.mark.torch
@pytest.mark.parametrize("kind, options", OPTIONS, ids=str)
def test_agrees_with_torch(kind: str, options: dict, rng: np.random.Generator):
    torch = pytest.importorskip("torch")
    parameters = tensors(rng)
    theirs = {name: torch.tensor(a) for name, a in parameters.items()}
    mine, reference = getattr(optim, kind)(**options), getattr(torch.optim, kind)(theirs.values(), **options)
    for _ in range(5):
        gradients = tensors(rng)
        for name, gradient in gradients.items():
            theirs[name].grad = torch.tensor(gradient)
        mine.step(parameters, gradients)
        reference.step()
    for name in SHAPES:
        np.testing.assert_allclose(parameters[name], theirs[name].numpy(), rtol=1e-4, atol=1e-5)
