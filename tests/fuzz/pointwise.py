"""What treats every number by itself: activations, dropout, normalization."""

from __future__ import annotations

import numpy as np

from convlet import functional
from fuzz.problem import Arrays, Expected, Kind, Problem
from fuzz.values import batch_of, choice, numbers
from oracle import activation, dropout

WITHIN = {"relu": 0, "sigmoid": 4, "tanh": 4}
"""k: sigmoid and tanh promise 4 units in the last place."""


def draw_activation(rng: np.random.Generator, kind: Kind) -> Problem:
    shape = tuple(int(n) for n in rng.integers(1, 9, int(rng.integers(0, 5))))
    if rng.integers(15) == 0:  # shared among threads
        shape = (int(rng.integers(2**16, 2**17)),)
    x = numbers(rng, kind, shape) * np.float32(choice(rng, [1, 1, 10, 40]) if kind is Kind.REALS else 1)
    y = numbers(rng, kind, shape)
    return activations({"x": x, "y": y, "dy": numbers(rng, kind, shape)}, kind)


def activations(inputs: Arrays, kind: Kind) -> Problem:
    """All three, of the same numbers."""

    def run(a: Arrays) -> Arrays:
        forward = {name: getattr(functional, name)(a["x"]) for name in WITHIN}
        backward = {
            f"dx of {name}": getattr(functional, f"{name}_backward")(a["dy"], a["y"]) for name in WITHIN
        }
        return forward | backward

    def expected() -> dict[str, Expected]:
        slope, old = (np.abs(inputs[name].astype(np.float64)) for name in ("dy", "y"))
        factors = {"relu": 1.0, "sigmoid": (1 + old) * old, "tanh": 1 + old * old}
        found = {}
        for name, k in WITHIN.items():
            y = activation.forward(name, inputs["x"])
            dx = activation.backward(name, inputs["dy"], inputs["y"])
            # The factor overflows by itself, or its product with dy.
            reach = np.maximum(factors[name], 1) * np.maximum(slope, 1)
            found[name] = Expected(y, np.abs(y), 1, k, exact=name == "relu")
            found[f"dx of {name}"] = Expected(dx, slope * factors[name], 3, exact=name == "relu", reach=reach)
        return found

    return Problem("activation", kind, {}, inputs, run, expected)


def draw_dropout(rng: np.random.Generator, kind: Kind) -> Problem:
    shape = (batch_of(rng), *(int(n) for n in rng.integers(1, 8, int(rng.integers(1, 4)))))
    options = {
        "p": float(choice(rng, [0.0, 0.5, 1.0, rng.uniform(), rng.uniform()])),
        "seed": int(rng.integers(2**63)) * 2 + 1,
        "step": int(choice(rng, [0, 3, 2**32 + 5, rng.integers(2**40)])),
        "layer": int(rng.integers(2**15)),
    }
    inputs = {"x": numbers(rng, kind, shape)}

    def expected() -> dict[str, Expected]:
        with np.errstate(invalid="ignore", over="ignore"):
            return {"y": Expected(dropout.forward(inputs["x"], **options), exact=True)}

    return Problem(
        "dropout", kind, options, inputs, lambda a: {"y": functional.dropout(a["x"], **options)}, expected
    )


def draw_normalize(rng: np.random.Generator, kind: Kind) -> Problem:
    channels, height, width = (int(n) for n in rng.integers(1, 9, 3))
    shape = (batch_of(rng), channels, height, width)
    inputs = {
        "x": numbers(rng, kind, shape),
        "dy": numbers(rng, kind, shape),
        "mean": numbers(rng, Kind.REALS, (channels,)),
        "std": rng.uniform(0.1, 3, channels).astype(np.float32),
    }

    def run(a: Arrays) -> Arrays:
        return {
            "y": functional.normalize(a["x"], a["mean"], a["std"]),
            "dx": functional.normalize_backward(a["dy"], a["std"]),
        }

    def expected() -> dict[str, Expected]:
        x, dy, mean, std = (inputs[name].astype(np.float64) for name in ("x", "dy", "mean", "std"))
        mean, std = mean.reshape(-1, 1, 1), std.reshape(-1, 1, 1)
        magnitude = (np.abs(x) + np.abs(mean)) / std
        return {
            "y": Expected((x - mean) / std, magnitude, 2),
            "dx": Expected(dy / std, np.abs(dy) / std, 1),
        }

    return Problem("normalize", kind, {}, inputs, run, expected, images=("x", "dy"), by_image=("y", "dx"))
