"""What the environment says, read here and nowhere else.

==================  =======================================================================================
``CONVLET_THREADS``  threads of the kernels; else ``OMP_NUM_THREADS``, else the CPUs this process may use
``CONVLET_ISA``      the instruction set to use, ``baseline``, ``avx2`` or ``avx512``; else the best there is
``CONVLET_NCCL``     the file of NVIDIA's library NCCL; else an installed package's, or the system's
``CONVLET_DATA``     folders to look for data sets in, before the user's cache folder
==================  =======================================================================================
"""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

from . import _core

if TYPE_CHECKING:  # pathlib takes 3 ms to import, and is not needed for computing
    from pathlib import Path

__all__ = [
    "apply",
    "cache_dir",
    "data_dirs",
    "named_threads",
    "nccl_library",
    "started_by_mpiexec",
    "thread_count",
    "usable_cpus",
]

MOST_THREADS = 1024


def apply() -> None:
    """Set the threads and the instruction set of the compiled module, once, at import.

    Raises:
        ValueError: a variable with a value that is none.
    """
    _core.set_threads(thread_count())
    wanted = os.environ.get("CONVLET_ISA", "").encode("ascii", "backslashreplace").decode()
    _core.select_isa(wanted or None)


def thread_count() -> int:
    """The number of threads that the environment asks for, or else of CPUs that this process may use."""
    return named_threads() or min(usable_cpus(), MOST_THREADS)


def named_threads() -> int | None:
    """The number of threads that the environment asks for, if it does."""
    wanted = os.environ.get("CONVLET_THREADS")
    if wanted:
        if not 1 <= _number(wanted) <= MOST_THREADS:
            raise ValueError(
                f"CONVLET_THREADS: expected a number of threads in 1..{MOST_THREADS}, got {wanted!r}"
            )
        return int(wanted)
    # OpenMP's variable may be a list, a number for each level of nesting; other values are its own affair.
    outermost = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return _number(outermost) if 1 <= _number(outermost) <= MOST_THREADS else None


def _number(text: str) -> int:
    """The whole number that a text of a few digits is, else -1."""
    digits = text.strip()
    return int(digits) if digits.isdecimal() and len(digits) < 20 else -1


def usable_cpus() -> int:
    """The CPUs in the affinity mask, and no more than the control groups have time for, rounded up."""
    if not hasattr(os, "sched_getaffinity"):
        return os.cpu_count() or 1
    cpus = len(os.sched_getaffinity(0))
    return max(1, min(cpus, math.ceil(cpu_quota() or cpus)))


def cpu_quota(root: str = "") -> float | None:
    """How many CPUs' time the control groups of this process allow it, as a container or a service has it.

    The groups above it count too. In a container its own group lies at the root of the hierarchy.

    Args:
        root: the folder in which ``/proc`` and ``/sys`` lie.
    """
    quotas = []
    groups = _read(f"{root}/proc/self/cgroup") or "0::/"  # or 4:cpu,cpuacct:/a/b, version 1
    for line in groups.splitlines():
        controllers, _, path = line.partition(":")[2].partition(":")
        if line.count(":") < 2:
            continue
        if controllers == "":
            hierarchies = ["", "unified"]
        elif "cpu" in controllers.split(","):
            hierarchies = [controllers, "cpu"]
        else:
            continue
        parts = path.strip("/").split("/")
        for depth in range(len(parts) + 1):
            group = "/".join(parts[:depth])
            quotas += [_quota(f"{root}/sys/fs/cgroup/{hierarchy}/{group}") for hierarchy in hierarchies]
    return min(filter(None, quotas), default=None)


def _quota(folder: str) -> float | None:
    """What one group allows: ``cpu.max`` has the quota and the period, which in version 1 are two files."""
    text = _read(f"{folder}/cpu.max") or " ".join(
        _read(f"{folder}/cpu.cfs_{name}_us").strip() for name in ("quota", "period")
    )
    quota, _, period = text.strip().partition(" ")
    if not quota.isdecimal() or not period.isdecimal() or int(period) == 0:  # "max", -1, or no such file
        return None
    return int(quota) / int(period)


def _read(path: str) -> str:
    try:
        with open(path) as file:  # noqa: PTH123
            return file.read()
    except (OSError, UnicodeDecodeError):
        return ""


def started_by_mpiexec() -> bool:
    """Whether the launcher of an MPI has left its mark: Open MPI's, MPICH's and Intel's, Slurm's."""
    return any(name in os.environ for name in ("OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK"))


def nccl_library() -> str | None:
    """The file of NCCL's library, if the environment names one."""
    return os.environ.get("CONVLET_NCCL") or None


def data_dirs() -> list[Path]:
    """The folders of ``CONVLET_DATA``, separated as in ``PATH``, then the user's cache folder."""
    from pathlib import Path

    named = [
        Path(os.path.expanduser(folder))  # noqa: PTH111  (never raises)
        for folder in os.environ.get("CONVLET_DATA", "").split(os.pathsep)
        if folder
    ]
    return [*named, cache_dir()]


def cache_dir() -> Path:
    """Where downloads go: ``$XDG_CACHE_HOME/convlet`` or ``~/.cache/convlet``."""
    from pathlib import Path

    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "convlet"
