"""A team whose processes are threads of this one: the engine's side of a team, tested without MPI."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn, TypeVar

import numpy as np
from numpy.typing import NDArray

from slower import SLOWER

T = TypeVar("T")


class Meeting:
    """Where the threads lay down what they bring."""

    def __init__(self, size: int) -> None:
        self.barrier = threading.Barrier(size, timeout=30 * SLOWER)
        self.brought: list[NDArray[Any]] = [np.empty(0)] * size


class ThreadCommunicator:
    """One thread's connection to the others."""

    def __init__(self, meeting: Meeting, rank: int) -> None:
        self.meeting, self.rank, self.size = meeting, rank, len(meeting.brought)

    def allreduce(self, numbers: NDArray[Any], /) -> None:
        numbers[...] = np.sum(self._meet(numbers), axis=0, dtype=numbers.dtype)

    def allgather(self, data: NDArray[np.uint8], counts: Sequence[int], /) -> None:
        ends = np.cumsum(counts)
        parts = [all_[end - n : end] for all_, end, n in zip(self._meet(data), ends, counts, strict=True)]
        data[...] = np.concatenate(parts)

    def abort(self, message: str, /) -> NoReturn:
        self.meeting.barrier.abort()
        raise SystemExit(message)

    def _meet(self, own: NDArray[Any]) -> list[NDArray[Any]]:
        self.meeting.brought[self.rank] = own.copy()
        self.meeting.barrier.wait()
        brought = list(self.meeting.brought)
        self.meeting.barrier.wait()
        return brought


def in_threads(size: int, work: Callable[[ThreadCommunicator], T]) -> list[T]:
    """What `work` returns for each of so many communicators, by rank; or the first thing that one raises."""
    meeting = Meeting(size)
    with ThreadPoolExecutor(size) as pool:
        return list(pool.map(lambda rank: work(ThreadCommunicator(meeting, rank)), range(size)))
