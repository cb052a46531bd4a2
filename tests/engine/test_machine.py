"""The kernels and threads that are asked for are those that run."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from convlet import _core


def in_a_new_process(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python with other variables, for what is read once at import."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CONVLET_", "OMP_"))}
    return subprocess.run(
        [sys.executable, "-c", code], env=kept | environment, capture_output=True, text=True
    )


def test_a_forced_instruction_set_is_the_one_that_runs():
    for name in _core.available_isas():
        code = "from convlet import _core, nn; print(_core.isa()); print(nn.LeNet().plan((1, 28, 28)))"
        run = in_a_new_process(code, CONVLET_ISA=name)
        first, _, plan = run.stdout.partition("\n")
        assert first == name, run.stderr
        assert name in plan


def test_without_a_wish_the_best_instruction_set_runs():
    run = in_a_new_process("from convlet import _core; print(_core.isa())")
    assert run.stdout.strip() == _core.available_isas()[0], run.stderr


def test_an_unknown_instruction_set_is_refused_with_the_choices():
    run = in_a_new_process("import convlet", CONVLET_ISA="mmx")
    assert run.returncode == 1
    message = run.stderr.strip().splitlines()[-1]
    assert message.startswith("ValueError: ")
    assert "mmx" in message
    assert "baseline" in message


def test_available_instruction_sets_are_best_first_and_end_with_the_baseline():
    names = _core.available_isas()
    order = ["avx512", "avx2", "baseline"] if "neon" not in names else ["neon"]
    assert names == [name for name in order if name in names]
    assert names


def test_an_instruction_set_is_chosen_by_name_or_as_the_best():
    before = _core.isa()
    try:
        for name in _core.available_isas():
            assert _core.select_isa(name) == name == _core.isa()
        assert _core.select_isa(None) == _core.available_isas()[0]
    finally:
        _core.select_isa(before)


@pytest.mark.parametrize(
    "environment, count",
    [
        ({"CONVLET_THREADS": "3"}, 3),
        ({"OMP_NUM_THREADS": "5"}, 5),
        ({"CONVLET_THREADS": "3", "OMP_NUM_THREADS": "5"}, 3),
        ({"OMP_NUM_THREADS": "4,2"}, 4),
    ],
    ids=str,
)
def test_threads_come_from_the_environment(environment: dict[str, str], count: int):
    run = in_a_new_process("from convlet import _core; print(_core.get_threads())", **environment)
    assert run.stdout.strip() == str(count), run.stderr


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5", "100000"])
def test_a_number_of_threads_that_is_none_is_refused(value: str):
    run = in_a_new_process("import convlet", CONVLET_THREADS=value)
    assert run.returncode == 1
    last = run.stderr.strip().splitlines()[-1]
    assert last.startswith("ValueError: CONVLET_THREADS: expected ")
    assert value in last


@pytest.mark.parametrize("count", [0, -1])
def test_less_than_one_thread_is_refused(count: int):
    with pytest.raises(ValueError, match=r"threads.*expected .*got"):
        _core.set_threads(count)
