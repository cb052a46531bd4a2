"""NCCL for the tests: the machine's where there are GPUs, one that stands in for it elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from compiler import ROOT, compile_program
from convlet import _core
from convlet.distributed.nccl import find_library


def compile_stand_in(folder: Path) -> Path:
    """The library that stands in; skips the test where there is no device."""
    if reason := _core.cuda_status():
        pytest.skip(reason)
    source = ROOT / "tests/distributed/nccl_stand_in.cpp"
    warnings = ("-Wall", "-Wextra", "-Werror")
    return compile_program([source], folder / "libnccl.so.2", "-O1", "-shared", "-fPIC", *warnings, "-ldl")


def use_nccl(monkeypatch: pytest.MonkeyPatch, stand_in: Path, gpus: int) -> None:
    """Let this process and its children find NCCL; skips the test where it wants more GPUs than there are."""
    if _core.cuda_info()["emulated"]:  # every process has a device of its own
        monkeypatch.setenv("CONVLET_NCCL", str(stand_in))
        monkeypatch.setenv("STAND_IN_CUDA", str(_core.__file__))
        return
    if len(_core.cuda_devices()) < gpus:
        pytest.skip(f"needs {gpus} GPUs, this machine has {len(_core.cuda_devices())}")
    try:
        _core.nccl_version(find_library())
    except RuntimeError as error:
        pytest.skip(str(error))
