"""One step of SGD, Adam and AdamW from any state, in place."""

from __future__ import annotations

from typing import Any

import numpy as np

from convlet import _core
from fuzz.problem import Arrays, Expected, Kind, Problem
from fuzz.values import choice, numbers
from oracle import adam, sgd
from tolerances import UPDATE


def draw_sgd(rng: np.random.Generator, kind: Kind) -> Problem:
    momentum = float(choice(rng, [0.0, 0.5, 0.9]))
    nesterov = bool(momentum and rng.integers(2))
    options = {
        "lr": float(choice(rng, [0.5, 0.1, 1.0])),
        "momentum": momentum,
        "dampening": 0.0 if nesterov else float(choice(rng, [0.0, 0.5, 0.25])),
        "weight_decay": float(choice(rng, [0.0, 0.25, 0.01])),
        "nesterov": nesterov,
    }
    first = bool(rng.integers(3) == 0)
    shape = (int(rng.integers(1, 130)),)
    names = ("parameter", "gradient", "buffer") if momentum else ("parameter", "gradient")
    inputs = {name: numbers(rng, kind, shape) for name in names}

    def run(a: Arrays) -> Arrays:
        buffers = [a["buffer"]] if "buffer" in a else None
        _core.sgd_step([a["parameter"]], [a["gradient"]], buffers, *options.values(), first)
        return {name: a[name] for name in names if name != "gradient"}

    def expected() -> dict[str, Expected]:
        before = None if first else inputs.get("buffer")
        old = {name: a.astype(np.float64) for name, a in inputs.items()}
        parameter, buffer = sgd.step(
            old["parameter"], old["gradient"], None if before is None else old["buffer"], **options
        )
        g = _decayed(old, options["weight_decay"])
        size = momentum * (0.0 if before is None else np.abs(old["buffer"])) + g
        moved = momentum * size + g if nesterov else size if momentum else g
        results = {"parameter": (parameter, np.abs(old["parameter"]) + options["lr"] * moved)}
        if momentum:
            results["buffer"] = (buffer, size)
        return {
            name: Expected(*pair, terms=4, k=UPDATE, reach=_steps(*old.values()))
            for name, pair in results.items()
        }

    return Problem("sgd", kind, {**options, "first": first}, inputs, run, expected, in_place=names)


def _decayed(old: Arrays, decay: float) -> Any:
    """The size of the gradient's terms; without decay the parameter is none of them."""
    size = np.abs(old["gradient"])
    return size + decay * np.abs(old["parameter"]) if decay else size


def _steps(*arrays: Any) -> Any:
    """More than any partial result of a step comes to."""
    return 4 * sum(np.abs(a) for a in arrays)


def draw_adam(rng: np.random.Generator, kind: Kind) -> Problem:
    """Moments as gradients of ordinary size leave them; infinities in the parameter and the gradient only."""
    options = {
        "lr": float(choice(rng, [0.01, 0.1, 0.5])),
        "betas": (float(choice(rng, [0.9, 0.5, 0.0])), float(choice(rng, [0.999, 0.9, 0.5]))),
        "eps": float(choice(rng, [1e-8, 1e-3])),
        "weight_decay": float(choice(rng, [0.0, 0.1])),
        "decoupled": bool(rng.integers(2)),
    }
    t, shape = int(choice(rng, [1, 2, 7, 1000])), (int(rng.integers(1, 130)),)
    if kind in (Kind.MIXED, Kind.HUGE, Kind.DENORMAL):
        kind = Kind.REALS
    inputs = {
        "parameter": numbers(rng, kind, shape),
        "gradient": numbers(rng, kind, shape),
        "m": numbers(rng, Kind.REALS, shape),
        "v": rng.uniform(0.01, 2, shape).astype(np.float32),
    }

    def run(a: Arrays) -> Arrays:
        numbers_of = (options["lr"], *options["betas"], options["eps"], options["weight_decay"])
        arrays = ([a[name]] for name in inputs)
        _core.adam_step(*arrays, *numbers_of, options["decoupled"], t)
        return {name: a[name] for name in ("parameter", "m", "v")}

    def expected() -> dict[str, Expected]:
        old = {name: a.astype(np.float64) for name, a in inputs.items()}
        parameter, m, v = adam.step(*old.values(), t, **options)
        decay = 0.0 if options["decoupled"] else options["weight_decay"]
        g = _decayed(old, decay)
        size = np.abs(old["m"]) + g  # m + (1 - beta1) (g - m): for a small beta1 too, the old m is a term
        power = np.sqrt(v / (1 - options["betas"][1] ** t)) + options["eps"]
        step = options["lr"] * size / (1 - options["betas"][0] ** t) / power
        return {
            "parameter": Expected(parameter, np.abs(old["parameter"]) + 4 * step, 4, UPDATE),
            "m": Expected(m, size, 3, UPDATE),
            "v": Expected(v, np.abs(old["v"]) + g * g, 3, UPDATE),
        }

    return Problem("adam", kind, {**options, "t": t}, inputs, run, expected, in_place=tuple(inputs))
