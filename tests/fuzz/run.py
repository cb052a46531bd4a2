"""Draws cases and checks each of them in every way."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convlet import _core
from fuzz import conv2d, cross_entropy, linear, network, optimizer, pointwise, pool2d, softmax
from fuzz.compare import error_of
from fuzz.problem import Arrays, Problem
from fuzz.values import KINDS, choice, laid_out
from tolerances import assert_same_bits

OPS = {
    "conv2d": (conv2d.draw, 10),
    "linear": (linear.draw, 5),
    "max_pool2d": (pool2d.draw_max, 5),
    "avg_pool2d": (pool2d.draw_average, 5),
    "activation": (pointwise.draw_activation, 3),
    "softmax": (softmax.draw, 3),
    "cross_entropy": (cross_entropy.draw, 4),
    "dropout": (pointwise.draw_dropout, 1),
    "normalize": (pointwise.draw_normalize, 1),
    "sgd": (optimizer.draw_sgd, 2),
    "adam": (optimizer.draw_adam, 2),
    "network": (network.draw, 6),
}
"""How each op is drawn, and how often."""

DRAWN = [name for name, (_, share) in OPS.items() for _ in range(share)]
THREADS = (1, 2, 3, 7)


class WrongError(Exception):
    """A case that failed, with its configuration and the worst place."""


@dataclass
class Report:
    """What a run of cases found."""

    isas: Sequence[str]
    cases: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    worst: dict[str, float] = field(default_factory=dict)
    """The largest error of each result, as a share of its bound."""
    digests: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.digests = {isa: hashlib.sha256() for isa in self.isas}

    def digest(self, isa: str) -> str:
        """Of every bit of every result, so that two runs can be compared."""
        return self.digests[isa].hexdigest()[:16]


def draw(seed: int, number: int, op: str | None = None) -> tuple[Problem, np.random.Generator]:
    """Case `number`, and the random numbers that go on to lay out its arrays."""
    rng = np.random.default_rng([seed, number])
    kind, drawn = choice(rng, KINDS), choice(rng, DRAWN)
    make, _ = OPS[op or drawn]
    with np.errstate(all="ignore"):
        return make(rng, kind), rng


def run(report: Report, seed: int, numbers: Iterable[int], op: str | None = None) -> Iterator[int]:
    """Check the cases one by one, and yield the number of each; `WrongError` for one that is wrong."""
    with _machine_left_as_it_was():
        for number in numbers:
            try:
                problem, rng = draw(seed, number, op)
                with np.errstate(all="ignore"):
                    check(problem, rng, report)
            except AssertionError as error:
                raise WrongError(f"seed {seed}, case {number}: {problem}\n  {error}") from error
            report.cases[problem.op] += 1
            report.kinds[problem.kind.value] += 1
            yield number


@contextmanager
def _machine_left_as_it_was() -> Iterator[None]:
    isa, threads = _core.isa(), _core.get_threads()
    try:
        yield
    finally:
        _core.select_isa(isa)
        _core.set_threads(threads)


def check(problem: Problem, rng: np.random.Generator, report: Report) -> None:
    """One case on every instruction set, against float64, itself, and its twin."""
    expected = problem.expected()
    odd = {
        name: a if name in problem.in_place else laid_out(rng, a, problem.kind)
        for name, a in problem.inputs.items()
    }
    image = int(rng.integers(max(1, len(problem.inputs[problem.images[0]])))) if problem.images else 0
    found: dict[str, Arrays] = {}
    for isa in report.isas:
        _core.select_isa(isa)
        _core.set_threads(1)
        results = found[isa] = call(problem, odd)
        for name, wanted in expected.items():
            share, sentence = error_of(results[name], wanted)
            label = f"{problem.op} {name}" if problem.op != "network" else "network"
            report.worst[label] = max(report.worst.get(label, 0.0), share)
            assert sentence is None, f"{isa}, {name}: {sentence}"
        check_bits(problem, results, image, isa)
        for name in sorted(results):
            report.digests[isa].update(canonical(results[name]).tobytes())
    if {"avx2", "avx512"} <= found.keys():
        same(found["avx2"], found["avx512"], "avx2 against avx512")


def check_bits(problem: Problem, results: Arrays, image: int, isa: str) -> None:
    """The same from plain arrays with any number of threads, for an image alone, and from the twin."""
    for threads in THREADS:
        _core.set_threads(threads)
        same(call(problem, problem.inputs), results, f"{isa}, {threads} threads against 1, odd layouts")
    _core.set_threads(1)
    if problem.images and len(problem.inputs[problem.images[0]]):
        rows = slice(image, image + 1)
        alone = {name: a[rows] if name in problem.images else a for name, a in problem.inputs.items()}
        row = call(problem, alone)
        for name in problem.by_image:
            same(
                {name: row[name]},
                {name: results[name][rows]},
                f"{isa}, image {image} alone against the batch",
            )
    if problem.twin:
        twins = problem.twin(problem.inputs)
        same({name: results[name] for name in twins}, twins, f"{isa}, against layer by layer")


def call(problem: Problem, arrays: Arrays) -> Arrays:
    """The results; `AssertionError` if an argument was written to."""
    given = {name: a.copy() if name in problem.in_place else a for name, a in arrays.items()}
    results = problem.run(given)
    for name, a in given.items():
        if name not in problem.in_place:
            kept = problem.inputs[name] if a.shape == problem.inputs[name].shape else None
            assert kept is None or np.array_equal(a, kept, equal_nan=a.dtype.kind == "f"), f"wrote to {name}"
    return results


def same(actual: Arrays, expected: Arrays, what: str) -> None:
    for name, wanted in expected.items():
        assert_same_bits(canonical(actual[name]), canonical(wanted), f"{what}: {name}")


def canonical(a: NDArray[Any]) -> NDArray[Any]:
    """All NaN alike: which one comes is no promise."""
    return np.where(np.isnan(a), np.float32(np.nan), a) if a.dtype.kind == "f" else a
