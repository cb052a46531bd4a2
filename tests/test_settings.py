"""What the environment says, and what importing the package does to a process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from convlet import _core, _settings
from slower import SLOWER


def python(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    cleared = {name: value for name, value in os.environ.items() if not name.startswith(("CONVLET_", "OMP_"))}
    return subprocess.run(
        [sys.executable, "-c", program],
        env=cleared | environment,
        capture_output=True,
        text=True,
        timeout=60 * SLOWER,
    )


@pytest.fixture
def clear(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("CONVLET_THREADS", "OMP_NUM_THREADS", "CONVLET_DATA", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    "convlet, omp, expected",
    [("3", "5", 3), (None, "5", 5), (None, "4,2", 4), ("", "6", 6), (None, "soon", None), (None, None, None)],
)
def test_threads_are_convlets_own_then_openmps_then_the_cpus(clear, convlet, omp, expected):
    for name, value in (("CONVLET_THREADS", convlet), ("OMP_NUM_THREADS", omp)):
        if value is not None:
            clear.setenv(name, value)
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if expected is None:
        assert 1 <= _settings.thread_count() <= allowed
    else:
        assert _settings.thread_count() == expected


@pytest.mark.parametrize("wrong", ["0", "-1", "two", "1.5", "1025"])
def test_a_number_of_threads_that_is_none_is_refused(clear, wrong: str):
    clear.setenv("CONVLET_THREADS", wrong)
    with pytest.raises(ValueError, match=rf"^CONVLET_THREADS: expected .* in 1\.\.1024, got '{wrong}'"):
        _settings.thread_count()


def test_data_is_looked_for_in_the_named_folders_and_then_in_the_cache(clear, tmp_path: Path):
    clear.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert _settings.data_dirs() == [tmp_path / "convlet"]
    clear.setenv("CONVLET_DATA", os.pathsep.join([str(tmp_path / "a"), "", "~/b"]))
    assert _settings.data_dirs() == [tmp_path / "a", Path.home() / "b", tmp_path / "convlet"]
    clear.delenv("XDG_CACHE_HOME")
    assert _settings.cache_dir() == Path.home() / ".cache" / "convlet"


def test_the_environment_is_heeded_at_import():
    name = _core.available_isas()[-1]
    program = "from convlet import _core; print(_core.isa(), _core.get_threads())"
    outcome = python(program, CONVLET_ISA=name, CONVLET_THREADS="2")
    assert outcome.stdout.split() == [name, "2"], outcome.stderr
    outcome = python("import convlet", CONVLET_ISA="mmx")
    assert outcome.returncode == 1
    assert "ValueError" in outcome.stderr
    assert "mmx" in outcome.stderr.splitlines()[-1]
    assert "baseline" in outcome.stderr


def test_import_leaves_out_what_only_files_and_training_need():
    program = (
        "import sys, numpy; before = set(sys.modules); import convlet; print(*set(sys.modules) - before)"
    )
    outcome = python(program)
    assert outcome.returncode == 0, outcome.stderr
    loaded = set(outcome.stdout.split())
    assert "convlet.nn" in loaded
    assert not {"numpy.random", "zipfile", "convlet._files", "convlet.datasets", "convlet.trainer"} & loaded


def test_the_package_has_a_version_and_tells_its_names():
    import convlet

    assert convlet.__version__.count(".") >= 2
    assert {"nn", "optim", "functional", "datasets", "Trainer", "History", "reference"} <= set(dir(convlet))
    with pytest.raises(AttributeError, match="module 'convlet' has no attribute 'layers'"):
        _ = convlet.layers
