"""Softmax and its logarithm along any axis, forward and backward."""

from __future__ import annotations

import numpy as np

from convlet import functional
from fuzz.problem import Arrays, Expected, Kind, Problem
from fuzz.values import choice, numbers
from oracle import softmax
from tolerances import CHAIN


def draw(rng: np.random.Generator, kind: Kind) -> Problem:
    shape = tuple(int(n) for n in rng.integers(1, 20, int(rng.integers(1, 5))))
    while np.prod(shape) > 4000:
        shape = shape[1:]
    if rng.integers(20) == 0:  # shared among threads, and a sum of more than 8192
        shape = choice(rng, [(1003, 200), (2, 8200)])
    dim = int(rng.integers(-len(shape), len(shape)))
    scale = np.float32(choice(rng, [1, 1, 10, 60]) if kind is Kind.REALS else 1)
    inputs = {name: numbers(rng, kind, shape) for name in ("x", "dy", "y", "log y")}
    inputs["x"] = scale * inputs["x"]
    inputs["log y"] = -np.abs(inputs["log y"])
    if kind is not Kind.INTEGERS:
        inputs["y"] = np.minimum(np.abs(inputs["y"]), 1)  # a probability
    return problem(dim, inputs, kind)


def problem(dim: int, inputs: Arrays, kind: Kind) -> Problem:
    def run(a: Arrays) -> Arrays:
        return {
            "softmax": functional.softmax(a["x"], dim),
            "log_softmax": functional.log_softmax(a["x"], dim),
            "dx of softmax": functional.softmax_backward(a["dy"], a["y"], dim),
            "dx of log_softmax": functional.log_softmax_backward(a["dy"], a["log y"], dim),
        }

    images = ("x", "dy", "y", "log y") if dim % inputs["x"].ndim else ()
    return Problem(
        "softmax",
        kind,
        {"dim": dim},
        inputs,
        run,
        lambda: expected(dim, inputs, kind),
        images=images,
        by_image=("softmax", "log_softmax", "dx of softmax", "dx of log_softmax") if images else (),
    )


def expected(dim: int, inputs: Arrays, kind: Kind) -> dict[str, Expected]:
    x, dy, y, log_y = (inputs[name].astype(np.float64) for name in ("x", "dy", "y", "log y"))
    terms = x.shape[dim] + 1
    p, log_p = softmax.forward(x, dim), softmax.log_forward(x, dim)
    below = x.max(axis=dim, keepdims=True) - x  # is rounded too, and exp makes its error a relative one
    finite = np.where(np.isfinite(x), np.abs(x), 0.0)
    largest = finite.max(axis=dim, keepdims=True)
    with np.errstate(invalid="ignore", over="ignore"):
        dots = np.abs(dy * y)
        slope = np.abs(y) * (np.abs(dy) + dots.sum(axis=dim, keepdims=True))
        sums = np.abs(dy) + np.exp(log_y) * np.abs(dy).sum(axis=dim, keepdims=True)
        reach = np.maximum(slope, np.abs(dy) + dots.sum(axis=dim, keepdims=True))
        log_reach = np.abs(dy).sum(axis=dim, keepdims=True) + np.abs(dy)
        return {
            "softmax": Expected(p, p * (1 + np.where(p > 0, below, 0.0)), terms, CHAIN, reach=0.0),
            "log_softmax": Expected(log_p, 1 + 2 * largest + np.abs(log_p), terms, CHAIN),
            "dx of softmax": Expected(
                softmax.backward(dy, y, dim), slope, terms, exact=kind is Kind.INTEGERS, reach=reach
            ),
            "dx of log_softmax": Expected(
                softmax.log_backward(dy, log_y, dim), sums, terms, CHAIN, reach=log_reach
            ),
        }
