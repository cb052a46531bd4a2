"""``convlet sweep``: stopped in whatever way, it goes on, and ends with a table and a picture."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from convlet.cli import main
from slower import SLOWER

SWEEP = [sys.executable, "-m", "convlet", "sweep"]
SHORT = ["--train-size", "200", "--epochs", "1"]
FILES = {"runs", "sweep.json", "sweep.png", "table.csv", "table.json"}


def results(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (out / "runs").glob("*.json")}


def stopped(out: Path, how: signal.Signals) -> tuple[int, str, float]:
    """Stop a sweep of 16 nets when two are done; its status, what it said, and its seconds after that."""
    command = [*SWEEP, "--seeds", "0-7", "--lr", "0.3,0.9", "--workers", "2", *SHORT, "--out", str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60 * SLOWER
        while len(list(out.glob("runs/*.json"))) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(how)
        sent = time.monotonic()
        _, told = process.communicate(timeout=60 * SLOWER)
    return process.returncode, told, time.monotonic() - sent


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT], ids=["killed", "Ctrl-C"])
def test_a_stopped_sweep_goes_on_and_ends_with_table_and_picture(
    how: signal.Signals, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    out = tmp_path / "sweep"
    status, told, seconds = stopped(out, how)
    if how == signal.SIGINT:
        assert status == 130
        assert told.strip() == f"interrupted; to go on: convlet sweep --resume --out {out}"
        assert seconds < 5 * SLOWER
    before = results(out)
    assert 2 <= len(before) < 16
    assert main(["sweep", "--resume", "--out", str(out), "--workers", "2"]) == 0
    after = results(out)
    assert {name: after[name] for name in before} == before
    assert len(after) == 16
    assert {path.name for path in out.iterdir()} == FILES
    table = json.loads((out / "table.json").read_text())
    assert [(group["lr"], group["nets"], group["failed"]) for group in table["groups"]] == [
        (0.3, 8, 0),
        (0.9, 8, 0),
    ]
    assert len((out / "table.csv").read_text().splitlines()) == 17
    assert (out / "sweep.png").read_bytes().startswith(b"\x89PNG")
    shown = capsys.readouterr().out
    assert len(re.findall(r"lr0\.\d-batch256-seed\d+  test acc", shown)) == 16 - len(before)
    assert re.search(r"lr +batch +nets +failed +mean +sd +lowest +highest", shown)
    assert re.search(r"best: test acc 0\.\d{4} with --lr 0\.\d --batch-size 256 --seed \d+", shown)


@pytest.mark.parametrize(
    "options, status, says",
    [
        (["--seeds", "3-1"], 2, "expected numbers, ranges as in 0-31, with commas between them, got '3-1'"),
        (["--lr", "0.1,fast"], 2, "expected numbers with commas between them, got '0.1,fast'"),
        (["--resume"], 2, "--resume needs --out"),
        (["--lr", "-1"], 1, "convlet: sweep: expected lr"),
        (["--seeds", "1,1"], 1, "convlet: sweep: expected seeds that differ"),
    ],
)
def test_bad_usage_is_told(
    options: list[str], status: int, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = [] if "--resume" in options else ["--out", str(tmp_path)]
    assert main(["sweep", *options, *where]) == status
    assert says in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_sweep_in_which_all_nets_fail_is_a_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pictures" / "a").mkdir(parents=True)
    options = ["--data", str(tmp_path / "pictures"), "--seeds", "0-1", "--workers", "1", *SHORT]
    assert main(["sweep", *options, "--out", str(tmp_path / "out")]) == 1
    assert re.search(r"all 2 nets failed, the first: ValueError: .*pictures", capsys.readouterr().err)
    table = json.loads((tmp_path / "out" / "table.json").read_text())
    assert [bool(row["error"]) for row in table["nets"]] == [True, True]
