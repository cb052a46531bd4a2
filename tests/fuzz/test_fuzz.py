"""2,000 random cases on every instruction set; a wrong number is told with how to repeat it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from convlet import _core, functional
from fuzz.__main__ import main
from fuzz.compare import LARGEST, error_of
from fuzz.problem import Expected
from fuzz.run import OPS, Report, draw, run

CASES = 2000


@pytest.mark.slow
def test_two_thousand_cases_on_every_instruction_set():
    report = Report(_core.available_isas())
    assert sum(1 for _ in run(report, 0, range(CASES))) == CASES
    assert len(report.worst) > 30
    assert max(report.worst.values()) <= 1
    assert min(report.cases[name] for name in ("conv2d", "network", "linear")) > 100
    if {"avx2", "avx512"} <= set(report.isas):
        assert report.digest("avx2") == report.digest("avx512")


@pytest.mark.parametrize("op", OPS)
def test_a_case_is_the_same_whenever_it_is_drawn(op: str):
    first, again = (draw(3, 5, op)[0] for _ in range(2))
    assert str(first) == str(again)
    for name, a in first.inputs.items():
        np.testing.assert_array_equal(a, again.inputs[name])


def test_one_wrong_bit_is_told_with_its_place_and_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    correct = functional.linear

    def wrong(*arrays: Any) -> Any:
        y = correct(*arrays)
        if y.size:
            y.reshape(-1)[-1] += 1
        return y

    monkeypatch.setattr(functional, "linear", wrong)
    assert main(["--cases", "50", "--seed", "1", "--op", "linear", "--isa", _core.isa()]) == 1
    told = capsys.readouterr().out
    assert "mismatch: seed 1, case " in told
    assert "y: 1 of " in told
    assert "repeat: python -m tests.fuzz --seed 1 --case " in told


@pytest.mark.parametrize(
    "actual, value, magnitude, right",
    [
        (1.0, 1.0, 1.0, True),
        (1.0 + 2.0**-20, 1.0, 1.0, False),
        (np.nan, np.nan, np.nan, True),
        (np.inf, np.nan, np.nan, False),
        (np.inf, np.inf, np.inf, True),
        (np.nan, np.inf, np.inf, False),
        (-np.inf, np.inf, np.inf, False),
        (np.nan, 1.0, 1.0, False),
        (np.inf, 2 * LARGEST, 2 * LARGEST, True),
        (-np.inf, 2 * LARGEST, 2 * LARGEST, False),
        (np.nan, 2 * LARGEST, 2 * LARGEST, False),
        (LARGEST, 2 * LARGEST, 2 * LARGEST, False),
        (np.nan, 2 * LARGEST, 9 * LARGEST, True),
        (np.inf, 1.0, 4 * LARGEST, True),
        (2.0**-149, 2.0**-150, 2.0**-150, True),
        (2.0**-146, 2.0**-150, 2.0**-150, False),
    ],
)
def test_what_a_result_may_be(actual: float, value: float, magnitude: float, right: bool):
    expected = Expected(np.array([value]), np.array([magnitude]), terms=1)
    _, sentence = error_of(np.array([actual], np.float32), expected)
    assert (sentence is None) == right
