"""The thread pool, put through its promises by a C++ program of its own: no Python, no kernels."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from compiler import ROOT, compile_program, sanitizer_works

SOURCES = [ROOT / "tests/threads/pool_stress.cpp", *sorted((ROOT / "cpp/threads").glob("*.cpp"))]


def run(program: Path) -> None:
    outcome = subprocess.run([program], capture_output=True, text=True, timeout=120)
    assert (outcome.returncode, outcome.stdout) == (0, "all promises kept\n"), outcome.stdout + outcome.stderr


def test_pool_keeps_its_promises(tmp_path: Path) -> None:
    run(compile_program(SOURCES, tmp_path / "pool_stress", "-O2", "-Wall", "-Wextra", "-Werror"))


def test_pool_is_free_of_data_races(tmp_path: Path) -> None:
    if not sanitizer_works("thread", tmp_path):
        pytest.skip("this system's compiler has no working thread sanitizer")
    run(compile_program(SOURCES, tmp_path / "pool_stress", "-O1", "-g", "-fsanitize=thread"))
