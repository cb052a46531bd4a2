"""relu, sigmoid and tanh over all of float32: a C++ program, of which a quick form runs here."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from compiler import ROOT, compile_program
from convlet import _core

RULES = ("accuracy", "nan", "limits", "range", "monotone", "same bits")


@pytest.fixture(scope="module")
def program(objects: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    sources = [ROOT / "tests/isa/activations_check.cpp", *sorted(objects.glob("*.o"))]
    flags = ("-O2", "-Wall", "-Wextra", "-Werror")
    return compile_program(sources, tmp_path_factory.mktemp("activations") / "check", *flags)


def run(*command: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=120)


def test_every_1021st_float_keeps_every_rule(program: Path) -> None:
    outcome = run(program, "--stride", 1021)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    verdicts = re.findall(r"^(\w+) +(\w+) .* right$", outcome.stdout, flags=re.MULTILINE)
    functions = ("relu", "sigmoid", "tanh")
    assert verdicts == [(function, isa) for function in functions for isa in _core.available_isas()]


@pytest.mark.parametrize("rule", RULES)
def test_a_broken_rule_is_noticed(rule: str, program: Path) -> None:
    if rule == "same bits" and len(set(_core.available_isas()) - {"baseline"}) < 2:
        pytest.skip("needs two instruction sets with fused multiply-adds")
    outcome = run(program, "--stride", 65521, "--plant", rule)
    assert outcome.returncode == 1
    for function in ("sigmoid", "tanh"):
        assert re.search(f"{function} on \\w+ breaks '{rule}'", outcome.stdout), outcome.stdout


def test_script_builds_and_runs_the_check(objects: Path) -> None:
    script = [sys.executable, ROOT / "scripts/check_activations.py", "--objects", objects]
    assert run(*script, "--stride", 65521).returncode == 0
    assert run(*script, "--stride", 65521, "--plant", "nan").returncode == 1
