"""Ctrl-C, once and twice, also while a checkpoint is on its way to a disk that hangs."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from compiler import ROOT, compiler
from convlet.checkpoint import load_checkpoint
from faults.injector import compiled, environment
from promptness import ATTEMPTS, WITHIN_SECONDS, assert_prompt
from slower import SLOWER
from small_mnist import write_small_mnist

CTRL_C = (
    130,
    -signal.SIGINT,
)  # the second is that of an interpreter hit on its way out; a shell says 130 for both
TRAIN = """
import sys
sys.modules["matplotlib"] = None
if len(sys.argv) > 3:
    from pathlib import Path
    from tests.faults.injector import Fault, begin
    begin(Path(sys.argv[1]), int(sys.argv[3]), Fault.HANGS)
from convlet.cli import main
options = ["--data", "mnist", "--data-dir", sys.argv[2], "--epochs", "100000", "--threads", "1"]
sys.exit(main(["train", "--out", sys.argv[1], *options]))
"""
BEFORE_TRAINING, EACH_SAVE, UP_TO_FSYNC = 6, 8, 3  # file calls: the folder's check, a checkpoint, its fsync

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs LD_PRELOAD")


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_mnist(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler()  # or the test is skipped
    found = compiled(tmp_path_factory.mktemp("library"))
    assert found is not None
    return found


@contextmanager
def training(
    folder: Path, data_dir: Path, library: Path | None = None, hangs_at: int | None = None
) -> Iterator[subprocess.Popen[str]]:
    """A training without end that has begun; dead afterwards."""
    folder.mkdir()
    command = [sys.executable, "-c", TRAIN, str(folder), str(data_dir)]
    command += [] if hangs_at is None else [str(hangs_at)]
    own = environment(library) if library is not None else None
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, cwd=ROOT, env=own, **streams) as process:
        try:
            yield process
        finally:
            process.kill()


def seconds_to_end(process: subprocess.Popen[str]) -> float:
    """From another Ctrl-C on."""
    sent = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20 * SLOWER)
    return time.monotonic() - sent


def wait_for_epoch(process: subprocess.Popen[str], number: int) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.split()[:1] == ["epoch"] and int(line.split()[1].split("/")[0]) >= number:
            return


def test_a_second_ctrl_c_ends_at_once_and_leaves_a_whole_checkpoint(tmp_path: Path, data_dir: Path) -> None:
    chance, fastest = random.Random(0), 60.0
    for attempt in range(ATTEMPTS):
        folder = tmp_path / str(attempt)
        with training(folder, data_dir) as process:
            wait_for_epoch(process, 1)
            process.send_signal(signal.SIGINT)
            time.sleep(chance.uniform(0, 0.02))
            fastest = min(fastest, seconds_to_end(process))
        assert process.returncode in CTRL_C
        checkpoint = load_checkpoint(folder / "checkpoint.safetensors")
        assert 1 <= checkpoint.epoch == len(checkpoint.history)
        assert not list(folder.glob(".*.tmp"))
        if fastest < WITHIN_SECONDS and attempt >= 2:
            break
    assert_prompt(fastest)


def hanging(folder: Path) -> None:
    """Wait until the temporary file of the third checkpoint is there."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        path = folder / "checkpoint.safetensors"
        if path.exists() and list(folder.glob(".*.tmp")) and load_checkpoint(path).epoch == 2:
            time.sleep(0.1)  # from its creation to its fsync
            return
        time.sleep(0.01)
    raise AssertionError("the third checkpoint was not begun")


def test_ctrl_c_during_a_save_that_hangs_ends_at_the_second_and_the_old_checkpoint_stays(
    tmp_path: Path, data_dir: Path, library: Path
) -> None:
    fastest = 60.0
    for attempt in range(ATTEMPTS):
        folder = tmp_path / str(attempt)
        hangs_at = BEFORE_TRAINING + 2 * EACH_SAVE + UP_TO_FSYNC
        with training(folder, data_dir, library, hangs_at) as process:
            hanging(folder)
            process.send_signal(signal.SIGINT)  # ends this save, and another one begins, which hangs too
            time.sleep(0.3)
            assert process.poll() is None
            fastest = min(fastest, seconds_to_end(process))
        assert process.returncode in CTRL_C
        assert load_checkpoint(folder / "checkpoint.safetensors").epoch == 2
        assert [path.name for path in folder.iterdir()] == ["checkpoint.safetensors"]
        if fastest < WITHIN_SECONDS:
            break
    assert_prompt(fastest)
