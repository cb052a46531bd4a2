"""Every file call of every writer fails in turn, or the process dies at it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from compiler import ROOT
from faults.injector import NO_COMPILER

WRITERS = {
    "weights.safetensors",
    "weights.npz",
    "save_net",
    "save_checkpoint",
    "BestCheckpoint",
    "ONNX",
    "history.json",
    "curves.png",
    "CSVLogger",
    "table of a sweep",
    "sweep",
    "download",
    "write_idx",
    "picture",
}

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs LD_PRELOAD")


def output_of(program: str) -> str:
    command = [sys.executable, "-m", f"tests.faults.{program}"]
    outcome = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if outcome.returncode == NO_COMPILER:
        pytest.skip("no C++ compiler")
    assert outcome.returncode == 0, outcome.stderr
    return outcome.stdout


def test_whatever_file_call_of_a_training_fails_its_result_is_kept_and_the_place_told() -> None:
    outcomes = output_of("train_calls")
    for what in ("kept in another folder", "kept where it was asked for", "told before the training"):
        assert f"'{what}': " in outcomes


def test_every_file_call_of_a_save_fails_in_turn_and_the_file_is_the_old_or_the_new() -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("matplotlib")
    lines = dict(line.split(": ") for line in output_of("calls").splitlines())
    assert lines.keys() == WRITERS
    for line in lines.values():
        calls, _, faults, _ = line.split()
        # At least open, write, fsync, close, rename, and the folder's open, fsync, close; six faults of each.
        assert int(calls) >= 8
        assert int(faults) >= 6 * int(calls)
