"""Every parser and border: what is no longer valid is refused in one documented sentence, or accepted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from convlet import _core
from parsers.target import Target, make_input, mutated
from parsers.targets import TARGETS
from parsers.trial import attempt, spare_memory

REFUSED_SEEDS = ("picture", "picture-prepared", "picture-folder")  # files of kinds that are refused, as seeds


@pytest.fixture(params=list(TARGETS))
def target(request: pytest.FixtureRequest) -> Iterator[Target]:
    threads = _core.get_threads()
    _core.set_threads(1)  # the stack of a thread counts as memory
    yield TARGETS[request.param]
    _core.set_threads(threads)


def test_valid_inputs_are_accepted(target: Target, tmp_path: Path) -> None:
    refused = [
        n for n, data in enumerate(target.seeds()) if attempt(target, data, tmp_path).outcome != "accepted"
    ]
    assert len(refused) == (3 if target.name in REFUSED_SEEDS else 0), refused


def test_mutated_inputs_are_accepted_or_refused_as_documented(target: Target, tmp_path: Path) -> None:
    seeds, outcomes = target.seeds(), set()
    for data in seeds:
        attempt(target, data, tmp_path)
    with spare_memory():
        for number in range(200):
            trial = attempt(target, make_input(target, seeds, 2026, number), tmp_path)
            assert trial.problem is None, (
                f"python -m tests.parsers --target {target.name} --seed 2026 --number {number}"
            )
            outcomes.add(trial.outcome)
    assert {"accepted"} < outcomes


@given(data=st.binary(max_size=300), rng=st.randoms(use_true_random=False), rounds=st.integers(0, 3))
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)
def test_whatever_hypothesis_makes_of_them(
    target: Target, tmp_path: Path, data: bytes, rng, rounds: int
) -> None:
    """Any bytes at all, or what is left of a valid input after up to three rounds of mutations."""
    if rounds or not target.by_bytes:
        seeds = target.seeds()
        data = rng.choice(seeds)
        for _ in range(rounds):
            data = mutated(target, [data], rng)
    trial = attempt(target, data, tmp_path)
    assert trial.problem is None
