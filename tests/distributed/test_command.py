"""``mpiexec -n N convlet train --distributed``."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from convlet import checkpoint
from mpi_launch import Launch, environment
from slower import SLOWER
from tolerances import assert_same_bits_by_name

FILES = {"checkpoint.safetensors", "history.json", "weights.safetensors"}


def one_process(train: list[str], out: Path, epochs: int) -> None:
    command = [sys.executable, *train, "--epochs", str(epochs), "--out", str(out)]
    subprocess.run(command, env=environment(), check=True, capture_output=True)


def weights(folder: Path) -> dict[str, object]:
    return checkpoint.load_weights(folder / "weights.safetensors")[0]


def assert_same_run(one: Path, two: Path) -> None:
    assert_same_bits_by_name(weights(one), weights(two))
    times = ("seconds", "images_per_second")
    rows = [json.loads((folder / "history.json").read_text())["epochs"] for folder in (one, two)]
    figures = [[{k: v for k, v in row.items() if k not in times} for row in each] for each in rows]
    assert figures[0] == figures[1]


def test_exact_ranks_write_the_files_of_one_process_and_go_on_as_others(
    launch: Launch, train: list[str], tmp_path: Path
) -> None:
    one_process(train, tmp_path / "one", 3)
    ranks = ("--distributed", "--exact", "--out", str(tmp_path / "ranks"))
    outcome = launch(2, *train, *ranks, "--epochs", "1")
    assert outcome.status == 0, outcome.err
    assert re.search(r"cpu, 2 ranks, \d+ threads each", outcome.out)
    assert len(re.findall(r"epoch 1/1  loss", outcome.out)) == 1
    outcome = launch(4, "-m", "convlet", "train", "--resume", *ranks, "--epochs", "3")
    assert outcome.status == 0, outcome.err
    assert {path.name for path in (tmp_path / "ranks").iterdir()} >= FILES
    assert_same_run(tmp_path / "ranks", tmp_path / "one")
    config = json.loads((tmp_path / "ranks" / "history.json").read_text())["config"]
    assert (config["ranks"], config["exact"]) == (4, True)
    again = ["-m", "convlet", "train", "--resume", "--out", str(tmp_path / "ranks"), "--epochs", "4"]
    assert subprocess.run([sys.executable, *again], env=environment()).returncode == 0


def test_ctrl_c_ends_all_ranks_and_the_run_goes_on_to_the_same_bits(
    mpiexec: list[str], launch: Launch, train: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "run"
    options = ["--distributed", "--exact", "--out", str(out)]
    command = [*mpiexec, "-n", "2", sys.executable, *train, *options, "--epochs", "100000"]
    with subprocess.Popen(
        command, env=environment(), stdout=-1, stderr=-1, start_new_session=True
    ) as process:
        deadline = time.monotonic() + 30 * SLOWER
        while not (out / "checkpoint.safetensors").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        sent = time.monotonic()
        process.communicate(timeout=30 * SLOWER)
    assert process.returncode != 0
    assert time.monotonic() - sent < 10 * SLOWER
    epochs = checkpoint.load_checkpoint(out / "checkpoint.safetensors").epoch + 1
    resumed = launch(2, "-m", "convlet", "train", "--resume", *options, "--epochs", str(epochs))
    assert resumed.status == 0, resumed.err
    one_process(train, tmp_path / "one", epochs)
    assert_same_run(out, tmp_path / "one")


@pytest.mark.parametrize(
    "options, says",
    [
        (("--batch-size", "1"), "convlet: fit: expected at most 1 ranks, one an image of a batch, got 2"),
        (("--resume", "--out", "{folder}"), "convlet: .*checkpoint.safetensors: No such file"),
        (("--resume",), "convlet: --resume needs --out"),
        (("--data", "{folder}"), "convlet: {folder}.*: expected a folder of pictures"),
    ],
)
def test_what_is_wrong_is_told_once_in_one_line(
    launch: Launch, train: list[str], tmp_path: Path, options: tuple[str, ...], says: str
) -> None:
    given = [option.format(folder=tmp_path) for option in options]
    out = [] if "--resume" in options else ["--out", str(tmp_path / "run")]
    command = ["-m", "convlet", "train"] if "--resume" in options else train
    outcome = launch(2, *command, "--distributed", *given, *out)
    assert outcome.status != 0
    assert outcome.seconds < 10 * SLOWER
    lines = outcome.err.splitlines()
    assert re.match(says.format(folder=tmp_path), lines[0]), outcome.err
    assert len([line for line in lines if line.startswith("convlet:")]) == 1
    assert "Traceback" not in outcome.err


def test_ranks_with_other_settings_are_told(launch: Launch, train: list[str], tmp_path: Path) -> None:
    each = [[*train, "--distributed", "--out", str(tmp_path), "--seed", seed] for seed in "12"]
    outcome = launch(2, each=each)
    assert outcome.status != 0
    assert "expected the same seed on all ranks, got 1 on rank 0 and 2 on rank 1" in outcome.err


def test_without_mpiexec_one_line_says_how_to_start_it(train: list[str]) -> None:
    pytest.importorskip("mpi4py")
    outcome = subprocess.run(
        [sys.executable, *train, "--distributed"], env=environment(), capture_output=True, text=True
    )
    assert outcome.returncode == 1
    assert re.fullmatch(
        r"convlet: .*: expected to be started by mpiexec, as in `mpiexec -n 4 .*`.*\n", outcome.stderr
    )


def test_without_mpi4py_one_line_says_what_to_install() -> None:
    program = """
import sys
sys.modules["mpi4py"] = None
from convlet.cli import main
sys.exit(main(["train", "--distributed"]))
"""
    outcome = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert outcome.returncode == 1
    assert outcome.stderr.startswith(
        'convlet: convlet train --distributed: needs mpi4py and MPI; pip install "convlet[mpi]"'
    )
    assert outcome.stderr.count("\n") == 1


def test_exact_by_itself_is_bad_usage() -> None:
    outcome = subprocess.run(
        [sys.executable, "-m", "convlet", "train", "--exact"], capture_output=True, text=True
    )
    assert outcome.returncode == 2
    assert "--exact needs --distributed" in outcome.stderr
