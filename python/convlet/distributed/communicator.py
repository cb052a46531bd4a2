"""What a team needs to know of the connection between its processes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

__all__ = ["Communicator", "Nobody"]


@runtime_checkable
class Communicator(Protocol):
    """The connection between processes that all run the same program.

    All calls but :meth:`abort` are collective: every process makes them in the same order.
    """

    @property
    def rank(self) -> int:
        """The number of this process, from 0."""

    @property
    def size(self) -> int:
        """How many processes there are."""

    def allreduce(self, numbers: NDArray[Any], /) -> None:
        """Replace ``numbers``, an array in C order, by its sum over all processes: the same bits for each."""

    def allgather(self, data: NDArray[np.uint8], counts: Sequence[int], /) -> None:
        """Complete ``data``, of whose bytes process r has filled the r-th part, ``counts[r]`` long."""

    def abort(self, message: str, /) -> NoReturn:
        """Say why on standard error, and end all processes."""


class Nobody:
    """The connection of a process by itself."""

    rank, size = 0, 1

    def allreduce(self, numbers: NDArray[Any], /) -> None:
        """The sum over one process is there already."""

    def allgather(self, data: NDArray[np.uint8], counts: Sequence[int], /) -> None:
        """So is its part."""

    def abort(self, message: str, /) -> NoReturn:
        """End this process."""
        raise SystemExit(message)
