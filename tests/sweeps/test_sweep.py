"""Many nets at once: the same as one by one, whatever fails, and again from where it stopped."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import convlet
from convlet import Trainer, datasets, nn, optim
from convlet.sweeps import Job, Result, pool
from convlet.sweeps.job import run_job
from slower import SLOWER
from sweep_jobs import dies_with_seed_1

LONE = np.zeros((2, 1, 28, 28), np.uint8), np.zeros(3, np.int64)
SMALL: dict[str, Any] = {"train_size": 300, "epochs": 1}


def test_a_net_of_a_sweep_is_that_of_a_trainer_alone() -> None:
    table = convlet.sweep("digits", [3, 4], [0.1, 0.2], 64, workers=2, **SMALL)
    assert [(r.job.lr, r.job.seed) for r in table.results] == [(0.1, 3), (0.1, 4), (0.2, 3), (0.2, 4)]
    net = nn.LeNet().initialize("d2l", seed=4)
    trainer = Trainer(net, optim.SGD(0.2), nn.CrossEntropyLoss())
    (row,) = trainer.fit(datasets.Digits(True, 300), datasets.Digits(False), 1, 64, seed=4)
    found = table.results[-1].figures
    for name in ("train_loss", "train_accuracy", "test_loss", "test_accuracy"):
        assert found[name] == row[name], name


def test_arrays_of_ones_own_are_trained_on_and_known_again(tmp_path: Path) -> None:
    digits, test = datasets.Digits(True, 200), datasets.Digits(False, 50)
    own = (digits.images / np.float32(255), digits.labels), test
    how: dict[str, Any] = {"epochs": 1, "workers": 1}
    table = convlet.sweep(own, [0], **how)
    trainer = Trainer(nn.LeNet().initialize("d2l", seed=0), optim.SGD(0.9), nn.CrossEntropyLoss())
    (row,) = trainer.fit(*own, 1, 256)
    assert table.results[0].figures["train_loss"] == row["train_loss"]
    kept = convlet.sweep(own, [0], out=tmp_path, **how)
    again = convlet.sweep(own, [0, 1], out=tmp_path, resume=True, **how)
    assert again.results[0] == kept.results[0]
    with pytest.raises(ValueError, match="has data arrays-.*, got arrays-"):
        convlet.sweep((test, test), [0], out=tmp_path, resume=True, **how)


def test_a_net_of_ones_own_is_trained() -> None:
    softmax = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    with ThreadPoolExecutor(2) as executor:
        options = {"net": softmax, "executor": executor, "epochs": 5, "train_size": 1000}
        table = convlet.sweep("digits", [0], [0.5], 16, **options)
    assert table.best is not None
    assert table.best.accuracy > 0.5


def test_a_net_that_fails_has_its_error_in_its_row(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(job: Job) -> Result:
        if job.seed == 1:
            raise MemoryError("too large")
        return run_job(job)

    monkeypatch.setattr(pool, "run_job", run)
    with ThreadPoolExecutor(2) as executor:
        table = convlet.sweep("digits", range(3), executor=executor, **SMALL)
    assert [result.error for result in table.results] == [None, "MemoryError: too large", None]
    wrong = nn.Sequential(nn.Flatten(), nn.Linear(5, 10))
    result = run_job(Job("digits", None, 100, convlet.checkpoint.net_to_json(wrong), "d2l", 1, 64, 0.1, 0))
    assert result.error is not None
    assert result.error.startswith("ValueError: ")


def test_a_net_that_its_process_dies_of_costs_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "run_job", dies_with_seed_1)
    table = convlet.sweep("digits", range(4), workers=2)
    died = "its process died twice: out of memory, or killed"
    assert [result.error for result in table.results] == [None, died, None, None]


def test_processes_that_are_killed_cost_nothing() -> None:
    killed: list[int] = []

    def kill(result: Result) -> None:
        if not killed:
            for process in multiprocessing.active_children():
                killed.append(process.pid or 0)
                process.kill()

    table = convlet.sweep("digits", range(6), workers=2, on_result=kill, train_size=3000, epochs=2)
    assert len(killed) == 2
    assert [result.error for result in table.results] == [None] * 6
    assert not multiprocessing.active_children()


def test_what_is_done_is_kept_and_what_failed_is_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[int] = []

    def run(job: Job) -> Result:
        ran.append(job.seed)
        if job.seed == 1 and len(ran) < 4:
            return Result(job, error="OSError: not now")
        return run_job(job)

    monkeypatch.setattr(pool, "run_job", run)
    with ThreadPoolExecutor(1) as executor:
        first = convlet.sweep("digits", range(3), out=tmp_path, executor=executor, **SMALL)
        assert sorted(ran) == [0, 1, 2]
        again = convlet.sweep("digits", range(5), out=tmp_path, resume=True, executor=executor, **SMALL)
    assert sorted(ran[3:]) == [1, 3, 4]
    assert [result.error for result in again.results] == [None] * 5
    assert again.results[2] == first.results[2]


@pytest.mark.parametrize(
    "options, says",
    [
        ({}, "holds a sweep already"),
        ({"resume": True, "epochs": 2}, "has epochs 1, got 2"),
        ({"resume": True, "train_size": 5}, "has train_size 300, got 5"),
        ({"resume": True, "recipe": "d2l-new"}, "has recipe d2l, got d2l-new"),
    ],
)
def test_a_folder_of_another_sweep_is_refused(options: dict[str, Any], says: str, tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as executor:
        convlet.sweep("digits", [0], out=tmp_path, executor=executor, **SMALL)
        before = (tmp_path / "sweep.json").read_bytes()
        with pytest.raises(ValueError, match=says):
            convlet.sweep("digits", [0], out=tmp_path, executor=executor, **{**SMALL, **options})
    assert (tmp_path / "sweep.json").read_bytes() == before


def test_a_file_of_another_net_is_not_taken_for_this_one(tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as executor:
        convlet.sweep("digits", [0], out=tmp_path, executor=executor, **SMALL)
        (file,) = (tmp_path / "runs").iterdir()
        content = json.loads(file.read_text())
        content["job"]["epochs"] = 9
        file.write_text(json.dumps(content))
        with pytest.raises(ValueError, match="expected the result of lr0.9-batch256-seed0"):
            convlet.sweep("digits", [0], out=tmp_path, resume=True, executor=executor, **SMALL)


@pytest.mark.parametrize(
    "arguments, error, says",
    [
        ({"data": "nothing"}, ValueError, "expected data of digits, .* or a folder of pictures"),
        ({"data": 7}, TypeError, r"expected data by its name, a folder, or \(train, test\), got int"),
        ({"data": ("a", "b")}, TypeError, "expected data to train to be a data set or .*, got str"),
        ({"data": (LONE, LONE)}, ValueError, r"expected \(2,\) labels to train, one an image, got \(3,\)"),
        ({"seeds": [1, 1]}, ValueError, r"expected seeds that differ, at least one, got \[1, 1\]"),
        ({"seeds": []}, ValueError, "expected seeds that differ, at least one"),
        ({"seeds": [-1]}, ValueError, "seeds"),
        ({"lr": -0.5}, ValueError, "lr"),
        ({"lr": "fast"}, TypeError, "lr"),
        ({"batch_size": 0}, ValueError, "batch_size"),
        ({"recipe": "cake"}, ValueError, "sweep: expected recipe to be one of"),
        ({"workers": 0}, ValueError, "workers"),
        ({"resume": True, "out": "nowhere"}, ValueError, "expected a sweep to resume in nowhere"),
    ],
)
def test_bad_arguments_are_told(arguments: dict[str, Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        convlet.sweep(**arguments)


def test_a_script_without_a_main_guard_is_told_so(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("import convlet\nconvlet.sweep('digits', [0], train_size=50, epochs=1, workers=1)\n")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60 * SLOWER)
    assert done.returncode == 1
    assert 'under `if __name__ == "__main__":`' in done.stderr.splitlines()[-1]


def test_the_seeds_decide(tmp_path: Path) -> None:
    table = convlet.sweep("digits", np.arange(2), workers=1, **SMALL)
    losses = [result.figures["train_loss"] for result in table.results]
    assert losses[0] != losses[1]


def runs(pid: int) -> bool:
    """Whether the process is there, and not as a mere entry that nobody has asked for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_processes_end_with_the_one_that_started_them(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import os, signal, multiprocessing, convlet\n"
        "def kill(result):\n"
        "    pids = [process.pid for process in multiprocessing.active_children()]\n"
        "    print(*pids, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "if __name__ == '__main__':\n"
        "    convlet.sweep('digits', range(4), epochs=20, train_size=100, workers=2, on_result=kill)\n"
    )
    with (tmp_path / "pids").open("w") as log:
        done = subprocess.run([sys.executable, str(script)], stdout=log, timeout=120 * SLOWER)
    assert done.returncode == -signal.SIGKILL
    pids = [int(word) for word in (tmp_path / "pids").read_text().split()]
    assert len(pids) == 2
    deadline = time.monotonic() + 5 * SLOWER
    while any(map(runs, pids)):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_disk_that_is_full_for_a_while_loses_no_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = disk(monkeypatch)

    def on_result(result: Result) -> None:
        full[0] = result.job.seed == 0  # before the result of seed 1 is written

    with ThreadPoolExecutor(1) as executor:
        table = convlet.sweep(
            "digits", [0, 1, 2], 0.1, 64, out=tmp_path, executor=executor, on_result=on_result, **SMALL
        )
    assert len(list((tmp_path / "runs").iterdir())) == 3
    again = convlet.sweep("digits", [0, 1, 2], 0.1, 64, out=tmp_path, resume=True, workers=1, **SMALL)
    assert again.results == table.results


def test_a_disk_that_stays_full_is_told_and_the_table_has_all_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = disk(monkeypatch)

    def on_result(result: Result) -> None:
        full[0] = True

    with (
        ThreadPoolExecutor(1) as executor,
        pytest.warns(RuntimeWarning, match="what became of 2 nets") as told,
    ):
        table = convlet.sweep(
            "digits", [0, 1, 2], 0.1, 64, out=tmp_path, executor=executor, on_result=on_result, **SMALL
        )
    assert f"cannot write {tmp_path / 'runs'}" in str(told[0].message)
    assert [result.error for result in table.results] == [None] * 3
    assert len(list((tmp_path / "runs").iterdir())) == 1


def disk(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether the disk is full from now on, for the test to say."""
    full, replace = [False], os.replace

    def replaced(*given: Any) -> None:
        if full[0]:
            raise OSError(28, "No space left on device")
        replace(*given)

    monkeypatch.setattr(os, "replace", replaced)
    return full
