"""Where the nets of a sweep are trained: in processes of one thread on this machine, or by any executor."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, as_completed, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any

from .job import Job, Result, run_job

__all__ = ["by_executor", "in_processes"]


class _Context(SpawnContext):
    """Starts processes anew instead of by fork, and remembers them."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[SpawnProcess] = []

    def Process(self, *arguments: Any, **named: Any) -> SpawnProcess:  # type: ignore[override]  # noqa: N802
        process = SpawnProcess(*arguments, **named)
        self.started.append(process)
        return process


class _Worker:
    """One process, and another one if it dies."""

    def __init__(self) -> None:
        self._context = _Context()
        self._executor = self._start()

    def _start(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(1, self._context, _prepare)

    def check(self) -> None:
        """A process can be started, or a ``RuntimeError`` says what is needed."""
        try:
            self._executor.submit(os.getpid).result()
        except BrokenProcessPool as error:
            raise RuntimeError(
                "sweep: expected to be able to start processes, but they end at once; a script must call it "
                'under `if __name__ == "__main__":`'
            ) from error

    def submit(self, job: Job) -> Future[Result]:
        try:
            return self._executor.submit(run_job, job)
        except BrokenProcessPool:  # it died while it had nothing to do
            self.restart()
            return self._executor.submit(run_job, job)

    def restart(self) -> None:
        self._executor.shutdown(wait=False)
        self._executor = self._start()

    def end(self) -> None:
        """At once, whatever it is doing."""
        for process in self._context.started:
            if process.is_alive():
                process.terminate()
        self._executor.shutdown(wait=True, cancel_futures=True)


def in_processes(jobs: Sequence[Job], workers: int) -> Generator[Result, None, None]:
    """The results as they come, from so many processes.

    A process that dies costs no net but one that it dies of twice.

    Raises:
        RuntimeError: no process can be started.
    """
    if not jobs:
        return
    queue, tried = deque(jobs), set[Job]()
    free = [_Worker() for _ in range(min(workers, len(jobs)))]
    all_workers, running = list(free), dict[Future[Result], tuple[Job, _Worker]]()
    try:
        free[0].check()
        while True:
            while free and queue:
                job, worker = queue.popleft(), free.pop()
                running[worker.submit(job)] = job, worker
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                job, worker = running.pop(future)
                free.append(worker)
                try:
                    yield future.result()
                except BrokenProcessPool:
                    worker.restart()
                    if job in tried:
                        yield Result(job, error="its process died twice: out of memory, or killed")
                    else:
                        tried.add(job)
                        queue.appendleft(job)
    finally:
        for worker in all_workers:
            worker.end()


def by_executor(jobs: Sequence[Job], executor: Executor) -> Generator[Result, None, None]:
    """The results as they come, from an executor such as that of ``mpi4py.futures``."""
    jobs_of = {executor.submit(run_job, job): job for job in jobs}
    try:
        for future in as_completed(jobs_of):
            try:
                yield future.result()
            except Exception as error:
                yield Result(jobs_of[future], error=f"{type(error).__name__}: {error}")
    finally:
        for future in jobs_of:
            future.cancel()


def _prepare() -> None:
    """Ctrl-C is the parent's to handle, and without the parent there is nothing left to do."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
