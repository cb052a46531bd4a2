"""Fewer CPUs than threads, or than the machine has: affinity, a container's limit, a limit of threads."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from convlet import _settings
from python_program import run_python

TRAINED = """
import hashlib, os
import numpy as np
from convlet import Trainer, _core, nn, optim
rng = np.random.default_rng(0)
x, y = rng.integers(0, 256, (200, 1, 28, 28), np.uint8), rng.integers(0, 10, 200)

def trained():
    net = nn.LeNet().initialize("pytorch", 1)
    Trainer(net, optim.SGD(0.1, momentum=0.9), nn.CrossEntropyLoss()).fit((x, y), epochs=2, batch_size=50)
    return hashlib.sha256(net(x).tobytes()).hexdigest()
"""
PRINTS = TRAINED + "print(_core.get_threads(), trained())"

needs_affinity = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")


@pytest.fixture(scope="module")
def known() -> str:
    """What one thread comes to."""
    threads, bits = run_python(PRINTS, environment={"CONVLET_THREADS": "1"}).split()
    assert threads == "1"
    return bits


def clear(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CONVLET_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)


def test_seven_threads_have_the_bits_of_one(known: str) -> None:
    assert run_python(PRINTS, environment={"CONVLET_THREADS": "7"}).split() == ["7", known]


@needs_affinity
@pytest.mark.parametrize("threads", [None, "7"])
def test_one_cpu_has_the_bits_of_all(
    known: str, threads: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("taskset") is None:
        pytest.skip("no taskset")
    clear(monkeypatch)
    cpu = str(min(os.sched_getaffinity(0)))
    environment = {"CONVLET_THREADS": threads} if threads else {}
    printed = run_python(PRINTS, command=("taskset", "-c", cpu), environment=environment)
    assert printed.split() == [threads or "1", known]


@needs_affinity
def test_affinity_may_shrink_and_grow_after_threads_were_started(known: str) -> None:
    program = f"""
_core.set_threads(3)
known, cpus = "{known}", os.sched_getaffinity(0)
assert trained() == known
os.sched_setaffinity(0, {{min(cpus)}})
assert trained() == known
_core.set_threads(5)
assert trained() == known
os.sched_setaffinity(0, cpus)
assert trained() == known
"""
    run_python(TRAINED + program)


def groups(root: Path, cgroup: str, files: dict[str, str]) -> str:
    """A folder with the files that tell of control groups."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(cgroup)
    for name, text in files.items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return str(root)


def version_1(folder: str, quota: int, period: int) -> dict[str, str]:
    return {f"{folder}/cpu.cfs_quota_us": f"{quota}\n", f"{folder}/cpu.cfs_period_us": f"{period}\n"}


@pytest.mark.parametrize(
    "cgroup, files, cpus",
    [
        ("0::/", {"cpu.max": "150000 100000\n"}, 1.5),
        ("0::/", {"cpu.max": "max 100000\n"}, None),
        ("0::/", {}, None),
        ("0::/a.slice/b", {"cpu.max": "max 100000", "a.slice/cpu.max": "200000 100000"}, 2),
        ("0::/a/b", {"a/b/cpu.max": "400000 100000", "a/cpu.max": "50000 100000"}, 0.5),
        ("0::/a/b", {"a/b/cpu.max": "100000 100000", "a/cpu.max": "300000 100000"}, 1),
        ("0::/a", {"unified/a/cpu.max": "100000 100000"}, 1),
        ("4:cpu,cpuacct:/docker/12ab\n1:name=systemd:/y\n0::/", version_1("cpu,cpuacct", 300, 100), 3),
        ("4:cpu:/", version_1("cpu", -1, 100000), None),
        ("4:cpuacct,cpu:/", version_1("cpu", 50000, 50000), 1),
        ("4:cpu:/a", version_1("cpu/a", 70000, 50000), 1.4),
        ("4:cpuset:/", version_1("cpuset", 70000, 50000), None),
        ("0::/", {"cpu.max": "100000 0\n"}, None),
        ("0::/", {"cpu.max": "nonsense\n"}, None),
        ("nonsense", {"cpu.max": "100000 100000\n"}, None),
    ],
)
def test_control_groups_say_how_many_cpus_a_process_has_time_for(
    cgroup: str, files: dict[str, str], cpus: float | None, tmp_path: Path
) -> None:
    assert _settings.cpu_quota(groups(tmp_path, cgroup + "\n", files)) == cpus


def test_a_container_with_time_for_one_cpu_of_many_gets_one_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    for quota, threads in ((None, 64), (0.5, 1), (1.0, 1), (1.5, 2), (100.0, 64)):
        monkeypatch.setattr(_settings, "cpu_quota", lambda quota=quota: quota)
        assert _settings.usable_cpus() == threads
