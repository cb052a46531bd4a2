"""The GPUs of a team: which one each process takes, and NCCL, by which they add up their gradients.

NCCL is NVIDIA's library of sums and copies between GPUs, ``libnccl.so.2``. It is loaded when a team trains on
GPUs, from the file that ``CONVLET_NCCL`` names, from the package ``nvidia-nccl-cu13`` or ``nvidia-nccl-cu12``
(``pip install "convlet[nccl]"``; PyTorch brings one of them), or else from where the system looks.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .. import _core, _settings
from .team import Team

__all__ = ["connected", "facts", "find_library", "gpu_of", "take_gpu"]

_NAME = "libnccl.so.2"


def find_library() -> str:
    """The path of NCCL's library, or its name where only the system can know."""
    if named := _settings.nccl_library():
        return named
    try:
        package = find_spec("nvidia.nccl")
    except ModuleNotFoundError:  # nothing of NVIDIA's is installed
        package = None
    folders = [] if package is None else list(package.submodule_search_locations or ())
    found = [str(path) for folder in folders if (path := Path(folder, "lib", _NAME)).exists()]
    return found[0] if found else _NAME


def take_gpu(team: Team) -> None:
    """Give each process a GPU: those of a host take those that they see in turn. Collective.

    Raises:
        RuntimeError: on every rank, where one has no GPU or uses another already.
    """
    hosts = team.exchange(platform.node())
    with team.agreeing():
        gpus = _core.cuda_devices()
        if not gpus:
            raise RuntimeError(f"Trainer: device 'cuda' cannot be used: {_core.cuda_status()}")
        _core.select_cuda_device(gpu_of(team.rank, hosts, gpus))


def gpu_of(rank: int, hosts: Sequence[str], gpus: Sequence[int]) -> int:
    """The GPU of a rank: of those on its host, in their order, each takes the next that it sees."""
    return gpus[hosts[:rank].count(hosts[rank]) % len(gpus)]


def facts(team: Team) -> dict[str, Any]:
    """What all processes must have alike to train on GPUs together.

    Raises:
        RuntimeError: NCCL is asked for and cannot be used here.
    """
    same: dict[str, Any] = {"backend": team.backend}
    if team.backend == "nccl":
        same["version of NCCL"] = _version_text(_version())
    return same


@contextmanager
def connected(team: Team, engine: _core.CudaEngine) -> Iterator[None]:
    """A block in which the engine adds its gradients up with those of the other processes. Collective.

    It is left together: at its end, or by an error on which the team has agreed. Any other error ends all
    processes, so there is nobody left to part from.

    Raises:
        ValueError: on every rank, where two ranks share a GPU, which NCCL does not allow.
        RuntimeError: NCCL failed.
    """
    if team.backend == "host":
        yield
        return
    _check_own_gpus(team)
    library = find_library()
    unique_id = team.from_first(lambda: _core.nccl_unique_id(library))
    engine.connect(library, unique_id, team.rank, team.size)
    try:
        yield
    except BaseException as error:
        if error is team.agreed:
            engine.disconnect()
        raise
    engine.disconnect()


def _check_own_gpus(team: Team) -> None:
    gpu = ""
    with team.agreeing():
        gpu = _core.cuda_info()["bus_id"]
    taken: dict[tuple[str, str], int] = {}
    for rank, (on, which) in enumerate(team.exchange([platform.node(), gpu])):
        other = taken.setdefault((on, which), rank)
        if other != rank:
            team.agreed = ValueError(
                f"Trainer: expected a GPU for each rank, which NCCL needs, got ranks {other} and {rank} on "
                f"GPU {which} of {on}; start fewer ranks, or let the hosts add up: "
                "Team(..., backend='host'), --backend host"
            )
            raise team.agreed


def _version() -> int:
    try:
        return _core.nccl_version(find_library())
    except RuntimeError as error:
        raise RuntimeError(
            f'Trainer: {error}; pip install "convlet[nccl]", or let the hosts add the gradients up: '
            "Team(..., backend='host'), --backend host"
        ) from error


def _version_text(version: int) -> str:
    return f"{version // 10000}.{version // 100 % 100}.{version % 100}"
