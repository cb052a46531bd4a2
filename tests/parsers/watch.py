"""Worker processes, watched: one that dies or hangs costs the input that it had, and another goes on."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryFile
from typing import IO, Any

from .trial import Tally
from .worker import NOTHING, PROGRESS

__all__ = ["Problem", "Report", "run_target"]

_HUNG_SECONDS = 60.0  # of wall time, for busy machines; the worker judges by CPU time, and from 1 s on
_MOST_PROBLEMS = 200  # of a target, and then it is given up
_TESTS = Path(__file__).parents[1]


@dataclass
class Problem:
    """An input that must not be."""

    target: str
    number: int
    text: str


@dataclass
class Report:
    """What became of a target's inputs."""

    target: str
    tally: Tally = field(default_factory=Tally)
    problems: list[Problem] = field(default_factory=list)


def run_target(name: str, seed: int, count: int, module: str = "parsers.worker") -> Report:
    """Inputs 0 to ``count`` of a target, in as many workers as it takes; ``module`` is their program."""
    report, first = Report(name), 0
    while first < count and len(report.problems) < _MOST_PROBLEMS:
        first = _run_worker(report, module, seed, first, count)
    return report


def _run_worker(report: Report, module: str, seed: int, first: int, last: int) -> int:
    """One worker until it ends, and the number of the input to go on with."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, (str(_TESTS), os.environ.get("PYTHONPATH")))),
        "CONVLET_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    with NamedTemporaryFile() as progress, TemporaryFile("w+") as told:
        progress.write(PROGRESS.pack(NOTHING, 0))
        progress.flush()
        words = [report.target, progress.name, *map(str, (seed, first, last))]
        command = [sys.executable, "-m", module, *words]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=told, env=environment) as worker:
            assert worker.stdout is not None
            done, hung = _follow(report, worker, worker.stdout, Path(progress.name), first)
            status = worker.wait()
        number, _ = PROGRESS.unpack(Path(progress.name).read_bytes())
        if status == 0 and not hung:
            return last
        told.seek(0)
        where = " ".join(told.read().split())[-1500:]
        if number == NOTHING:
            raise RuntimeError(f"{report.target}: the worker ended with status {status}: {where}")
        how = f"hung for {_HUNG_SECONDS:g} s" if hung else _death(status)
        report.problems.append(Problem(report.target, number, f"{how}: {where}"))
        report.tally.inputs += number + 1 - done  # those since its last report
        report.tally.outcomes[how.split(":")[0]] += 1
        return number + 1


def _follow(
    report: Report, worker: subprocess.Popen[bytes], lines: IO[bytes], progress: Path, done: int
) -> tuple[int, bool]:
    """Read what a worker says until it ends or hangs: how far it told that it came, and whether it hung."""
    rest = b""
    while True:
        if select.select([lines], [], [], 1.0)[0]:
            chunk = os.read(lines.fileno(), 1 << 16)
            if not chunk:
                return done, False
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                done = _take(report, json.loads(line), done)
        number, began = PROGRESS.unpack(progress.read_bytes())
        if number != NOTHING and time.monotonic() - began > _HUNG_SECONDS:
            worker.send_signal(signal.SIGABRT)  # so that faulthandler says where
            worker.kill()
            return done, True


def _take(report: Report, said: dict[str, Any], done: int) -> int:
    if "problem" in said:
        report.problems.append(Problem(report.target, said["number"], said["problem"]))
        return done
    tally = Tally(**said["tally"])
    report.tally.merge(tally)
    return int(said["until"])


def _death(status: int) -> str:
    return f"died of {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
