"""Dense layers, forward and backward."""

from __future__ import annotations

import numpy as np

from convlet import functional
from fuzz.problem import Arrays, Expected, Kind, Problem
from fuzz.values import batch_of, choice, numbers


def draw(rng: np.random.Generator, kind: Kind) -> Problem:
    batch = batch_of(rng)
    low, high = choice(rng, [(1, 9), (1, 40), (13, 36), (60, 140)])
    inputs, outputs = (int(n) for n in rng.integers(low, high + 1, 2))
    if rng.integers(2):
        outputs = int(rng.integers(1, 70))
    if rng.integers(15) == 0:  # shared among threads
        batch = int(choice(rng, [64, 128, 192, rng.integers(60, 140)]))
        inputs, outputs = int(rng.integers(150, 300)), outputs + 100
    elif rng.integers(8) == 0:  # chains of more than 8192 inputs, of more than 1024 images
        length = int(rng.integers(8185, 8260))
        inputs, outputs, batch = choice(
            rng, [(length, outputs % 40 + 12, min(batch, 4)), (3, length, 2), (5, 7, 1025 + batch)]
        )
    shapes = {"x": (batch, inputs), "weight": (outputs, inputs), "bias": (outputs,), "dy": (batch, outputs)}
    bias = rng.integers(4)
    arrays = {name: numbers(rng, kind, shape) for name, shape in shapes.items() if name != "bias" or bias}
    return problem(arrays, kind)


def problem(inputs: Arrays, kind: Kind) -> Problem:
    def run(a: Arrays) -> Arrays:
        dx, dweight, dbias = functional.linear_backward(a["dy"], a["x"], a["weight"])
        y = functional.linear(a["x"], a["weight"], a.get("bias"))
        return {"y": y, "dx": dx, "dweight": dweight, "dbias": dbias}

    def expected() -> dict[str, Expected]:
        values = sums(inputs)
        if kind is Kind.INTEGERS:
            return {name: Expected(value, exact=True) for name, value in values.items()}
        magnitudes = sums({name: np.abs(a) for name, a in inputs.items()})
        outputs, features = inputs["weight"].shape
        images = len(inputs["x"])
        terms = {"y": features + 1, "dx": outputs, "dweight": images, "dbias": images}
        return {name: Expected(values[name], magnitudes[name], terms[name]) for name in values}

    return Problem("linear", kind, {}, inputs, run, expected, images=("x", "dy"), by_image=("y", "dx"))


def sums(a: Arrays) -> Arrays:
    x, weight, dy = (a[name].astype(np.float64) for name in ("x", "weight", "dy"))
    return {
        "y": x @ weight.T + (a["bias"].astype(np.float64) if "bias" in a else 0.0),
        "dx": dy @ weight,
        "dweight": dy.T @ x,
        "dbias": dy.sum(0),
    }
