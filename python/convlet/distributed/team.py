"""What processes that train together do in common: they take parts, compare, agree, and end together."""

from __future__ import annotations

import json
import os
import platform
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _settings
from .._arrays import choice, flag
from .communicator import Nobody
from .mpi import as_communicator

__all__ = ["BACKENDS", "Team", "digest", "team_of"]

BACKENDS = ("nccl", "host")
TILE = 16  # images, which the engine takes together: a part of them costs as much
_KINDS: dict[str, type[BaseException]] = {
    kind.__name__: kind for kind in (KeyboardInterrupt, MemoryError, OSError, TypeError, ValueError)
}


class Team:
    """Processes that train one net together.

    Each holds all the data, takes whole tiles of 16 images of every batch, and makes the same update of
    weights of its own; what travels is the gradient.

    Args:
        communicator: of mpi4py, such as ``MPI.COMM_WORLD``, or any :class:`Communicator`.
        exact: whether the weights have the same bits as those of one process. The processes then exchange
            what every tile has left, and each adds all of it up in the order of the tiles; the messages grow
            with the batch. Otherwise the sums of the processes are added up, which rounds differently in the
            last place. On the CPU only.
        backend: what adds up the gradients of GPUs: ``"nccl"``, NVIDIA's library, from GPU to GPU, with a GPU
            for each process; or ``"host"``, the communicator, by way of the computers' memory, which is
            slower and always there. The gradients of CPUs are added up by the communicator.

    Raises:
        TypeError: another kind of communicator, or an ``exact`` that is no bool.
        ValueError: another backend.
    """

    def __init__(self, communicator: object, exact: bool = False, backend: str = "nccl") -> None:
        self._communicator = as_communicator(communicator)
        self.exact = flag("Team", "exact", exact)
        self.backend = choice("Team", "backend", backend, BACKENDS)
        self.rank, self.size = self._communicator.rank, self._communicator.size
        self.allreduce = self._communicator.allreduce
        self.allgather = self._communicator.allgather
        self.agreed: BaseException | None = None
        """What all processes have raised together."""
        self.lost = False
        """Whether an engine has failed between two sums, so that the others wait and agree on nothing."""
        self._interrupted = False

    def exchange(self, value: Any) -> list[Any]:
        """The values of all processes by rank; plain data that JSON can hold. Collective."""
        return [json.loads(text) for text in self._exchange_bytes(json.dumps(value).encode())]

    def from_first(self, make: Callable[[], bytes]) -> bytes:
        """What ``make`` returns on rank 0. Collective; where it raises, all do."""
        with self.agreeing():
            data = make() if self.rank == 0 else b""
        return self._exchange_bytes(data)[0]

    def _exchange_bytes(self, own: bytes) -> list[bytes]:
        if self.size == 1:
            return [own]
        lengths = np.zeros(self.size, np.int64)
        lengths[self.rank] = len(own)
        self.allreduce(lengths)
        counts, ends = lengths.tolist(), np.cumsum(lengths).tolist()
        data = np.zeros(ends[-1], np.uint8)
        data[ends[self.rank] - len(own) : ends[self.rank]] = np.frombuffer(own, np.uint8)
        self.allgather(data, counts)
        return [data[end - count : end].tobytes() for count, end in zip(counts, ends, strict=True)]

    @contextmanager
    def agreeing(self) -> Iterator[None]:
        """A block without collective calls, at whose end all processes raise if one of them has. Collective.

        Whoever did not raise itself names the rank and repeats the message.
        """
        if self.size == 1:
            yield
            return
        own: BaseException | None = None
        try:
            yield
            self.check_interrupt()
        except BaseException as error:
            if self.lost:
                raise
            own = error
        told = self.exchange(None if own is None else [type(own).__name__, str(own)])
        failed = [(rank, *what) for rank, what in enumerate(told) if what is not None]
        if failed:
            rank, kind, message = failed[0]
            self.agreed = own or _KINDS.get(kind, RuntimeError)(f"rank {rank}: {message or kind}")
            raise self.agreed

    def check_same(self, op: str, facts: Mapping[str, Any]) -> None:
        """All processes have the same facts, or each raises a ``ValueError`` that names the first other one.

        Collective.
        """
        if self.size == 1:
            return
        first, *others = self.exchange(dict(facts))
        for rank, other in enumerate(others, start=1):
            for name in {**first, **other}:
                if first.get(name) != other.get(name):
                    self.agreed = ValueError(
                        f"{op}: expected the same {name} on all ranks, got {first.get(name)} on rank 0 and "
                        f"{other.get(name)} on rank {rank}"
                    )
                    raise self.agreed

    @contextmanager
    def guarded(self, tell: Callable[[BaseException], str | None] | None = None) -> Iterator[None]:
        """A block with collective calls: an error that is not :attr:`agreed` ends all processes.

        The others would wait for this one for ever.

        Args:
            tell: the error in words, or None for its traceback.
        """
        if self.size == 1:
            yield
            return
        with self._late_interrupts():
            try:
                yield
            except BaseException as error:
                if error is not self.agreed:
                    self._communicator.abort((tell and tell(error)) or _traceback(error))
                raise

    @contextmanager
    def _late_interrupts(self) -> Iterator[None]:
        """Ctrl-C is remembered until :meth:`check_interrupt`, since it must not part the processes."""

        def remember(number: int, frame: FrameType | None) -> None:
            if self._interrupted:  # it did not help, so press harder
                signal.default_int_handler(number, frame)
            self._interrupted = True

        own: list[int] = []
        if threading.current_thread() is threading.main_thread():
            signals = (signal.SIGINT, signal.SIGTERM)
            own = [number for number in signals if signal.getsignal(number) is signal.default_int_handler]
        for number in own:
            signal.signal(number, remember)
        try:
            yield
        finally:
            for number in own:
                signal.signal(number, signal.default_int_handler)

    def check_interrupt(self) -> None:
        """Raise the ``KeyboardInterrupt`` that came since the last time, where all can learn of it."""
        if self._interrupted:
            self._interrupted = False
            raise KeyboardInterrupt

    def part(self, count: int) -> slice:
        """The whole tiles of so many items that are this process's part."""
        tiles = -(-count // TILE)
        first, last = (tiles * r // self.size for r in (self.rank, self.rank + 1))
        return slice(TILE * first, min(TILE * last, count))

    def threads(self) -> int:
        """How many threads each process should have: the CPUs it may use, shared with others that may too.

        Collective. 0, which leaves it to the engine, for a process by itself or where the environment says.
        """
        if self.size == 1:
            return 0
        cpus = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        own = [platform.node(), cpus]
        sharing = self.exchange(own).count(own)
        return 0 if _settings.named_threads() else max(1, _settings.usable_cpus() // sharing)

    def config(self) -> dict[str, Any]:
        """What a history should say of the team."""
        return {"ranks": self.size, "exact": self.exact} if self.size > 1 else {}

    def __repr__(self) -> str:
        return f"Team(rank {self.rank} of {self.size}{', exact' if self.exact else ''})"


def team_of(communicator: object) -> Team:
    """A team as it is, a process by itself for ``None``, or the team of a communicator (``TypeError``)."""
    if isinstance(communicator, Team):
        return communicator
    return Team(Nobody() if communicator is None else communicator)


def _traceback(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    return "".join(traceback.format_exception(error))


def digest(*arrays: NDArray[Any]) -> str:
    """A short name for the content of arrays, different for different content."""
    import hashlib

    content = hashlib.blake2b(digest_size=8)
    for array in arrays:
        content.update(f"{array.dtype}{array.shape}".encode())
        content.update(np.ascontiguousarray(array).data)
    return content.hexdigest()
