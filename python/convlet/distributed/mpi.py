"""The connection by MPI, which is loaded only when a run asks for it."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from .. import _settings
from .communicator import Communicator

__all__ = ["MpiCommunicator", "as_communicator", "world"]

_FORWARD_SECONDS = 0.5
"""In which mpiexec passes on what a rank has written; once there is an abort, it need not."""


class MpiCommunicator:
    """A communicator of mpi4py. A message that fails ends all processes, which have lost each other."""

    def __init__(self, comm: Any) -> None:
        from mpi4py import MPI

        self._mpi, self._comm = MPI, comm
        self.rank, self.size = comm.Get_rank(), comm.Get_size()

    def allreduce(self, numbers: NDArray[Any], /) -> None:
        """``MPI_Allreduce`` in place."""
        try:
            self._comm.Allreduce(self._mpi.IN_PLACE, numbers)
        except Exception as error:
            self.abort(f"MPI_Allreduce: {error}")

    def allgather(self, data: NDArray[np.uint8], counts: Sequence[int], /) -> None:
        """``MPI_Allgatherv`` in place."""
        starts = [0, *itertools.accumulate(counts)][:-1]
        try:
            self._comm.Allgatherv(self._mpi.IN_PLACE, [data, list(counts), starts, self._mpi.BYTE])
        except Exception as error:
            self.abort(f"MPI_Allgatherv: {error}")

    def abort(self, message: str, /) -> NoReturn:
        """``MPI_Abort`` behind the message."""
        sys.stdout.flush()
        print(f"convlet: rank {self.rank}: {message.rstrip()}", file=sys.stderr, flush=True)
        time.sleep(_FORWARD_SECONDS)
        self._comm.Abort(1)
        raise SystemExit(1)


def as_communicator(communicator: object) -> Communicator:
    """A communicator of mpi4py, wrapped, or an object that is a :class:`Communicator` already.

    Raises:
        TypeError: neither.
    """
    mpi = sys.modules.get("mpi4py.MPI")  # whoever has such a communicator has loaded it
    if mpi is not None and isinstance(communicator, mpi.Comm):
        return MpiCommunicator(communicator)
    if isinstance(communicator, Communicator):
        return communicator
    raise TypeError(
        "Team: expected a communicator of mpi4py, or an object with rank, size, allreduce, allgather and "
        f"abort, got {type(communicator).__name__}"
    )


def world(command: str) -> MpiCommunicator:
    """All processes that ``mpiexec`` has started.

    Args:
        command: who asks, for the error's text.

    Raises:
        ImportError: mpi4py is not installed, or finds no MPI.
        RuntimeError: this process was started by itself.
    """
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:  # RuntimeError: mpi4py without a library of MPI
        reason = "" if isinstance(error, ModuleNotFoundError) else f" ({' '.join(str(error).split())})"
        raise ImportError(f'{command}: needs mpi4py and MPI; pip install "convlet[mpi]"{reason}') from error
    if MPI.COMM_WORLD.Get_size() == 1 and not _settings.started_by_mpiexec():
        raise RuntimeError(
            f"{command}: expected to be started by mpiexec, as in `mpiexec -n 4 {command}`, got a process "
            "by itself"
        )
    return MpiCommunicator(MPI.COMM_WORLD)
