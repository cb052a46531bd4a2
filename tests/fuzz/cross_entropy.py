"""Cross-entropy with every option, forward and backward."""

from __future__ import annotations

from typing import Any

import numpy as np

from convlet import functional
from fuzz.problem import Arrays, Expected, Kind, Problem
from fuzz.values import batch_of, choice, numbers
from oracle import cross_entropy, softmax
from tolerances import CHAIN


def draw(rng: np.random.Generator, kind: Kind) -> Problem:
    batch, classes = max(1, batch_of(rng)), int(rng.integers(1, 40))
    if rng.integers(25) == 0:  # shared among threads
        batch, classes = 1003, 150
    ignored = int(choice(rng, [-100, -100, 0, classes - 1, classes + 3, -1]))
    target = rng.integers(0, classes, batch)
    target[rng.random(batch) < choice(rng, [0, 0.2, 0.5])] = ignored
    options: dict[str, Any] = {
        "ignore_index": ignored,
        "reduction": choice(rng, ["mean", "sum", "none"]),
        "label_smoothing": float(choice(rng, [0.0, 0.1, rng.uniform(0, 0.9)])),
    }
    if np.all(target == ignored):
        options["reduction"] = "sum"
    scale = np.float32(choice(rng, [1, 3, 40]) if kind is Kind.REALS else 1)
    inputs: Arrays = {"logits": scale * numbers(rng, kind, (batch, classes)), "target": target}
    if rng.integers(2):
        inputs["weight"] = rng.uniform(0.1, 3, classes).astype(np.float32)
    return problem(options, inputs, kind)


def problem(options: dict[str, Any], inputs: Arrays, kind: Kind) -> Problem:
    def run(a: Arrays) -> Arrays:
        arguments = (a["logits"], a["target"], a.get("weight"))
        return {
            "loss": np.asarray(functional.cross_entropy(*arguments, **options)),
            "dlogits": functional.cross_entropy_backward(*arguments, **options),
        }

    return Problem(
        "cross_entropy",
        kind,
        options,
        inputs,
        run,
        lambda: expected(options, inputs),
    )


def expected(options: dict[str, Any], inputs: Arrays) -> dict[str, Expected]:
    logits, target, weight = inputs["logits"].astype(np.float64), inputs["target"], inputs.get("weight")
    arguments = (logits, target, weight)
    counts = target != options["ignore_index"]
    w = np.ones(logits.shape[1]) if weight is None else weight.astype(np.float64)
    own = np.where(counts, w[np.where(counts, target, 0)], 0.0)
    divisor = own.sum() if options["reduction"] == "mean" else 1.0
    smoothing = options["label_smoothing"]
    with np.errstate(invalid="ignore", over="ignore"):
        loss = cross_entropy.forward(*arguments, **options)
        dlogits = cross_entropy.backward(*arguments, **options)
        largest = np.where(np.isfinite(logits), np.abs(logits), 0.0).max(axis=1)
        each = (own * (1 - smoothing) + counts * smoothing * w.mean()) * (2 * largest + 1 + np.log(len(w)))
        size = each if options["reduction"] == "none" else each.sum() / divisor
        p = softmax.forward(logits)
        below = logits.max(axis=1, keepdims=True) - logits
        rounded = np.where(counts[:, None], p * (1 + np.where(p > 0, below, 0.0)), 0.0)
        one_hot = np.arange(len(w)) == target[:, None]
        hard = (1 - smoothing) * own[:, None] * (rounded + one_hot)
        soft = smoothing / len(w) * counts[:, None] * (rounded * w.sum() + w)
    return {
        "loss": Expected(loss, size, len(w), CHAIN, reach=each.sum()),  # before it is divided
        "dlogits": Expected(dlogits, (hard + soft) / divisor, len(w), CHAIN),
    }
