"""Commands that several processes run together: one of them speaks, and none is left behind."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import click

from ..distributed import Team, team_of, world
from .failures import FAILURES, told

__all__ = ["together"]


@contextmanager
def together(command: str | None, exact: bool = False, backend: str = "nccl") -> Iterator[Team]:
    """The team of all processes that ``mpiexec`` has started, or of this one alone without a ``command``.

    An error on which the processes agree is told by rank 0; any other is told by the rank that has it, and
    ends all. ``mpiexec`` passes Ctrl-C on as a request to terminate, which is taken as Ctrl-C here.
    """
    team = team_of(None) if command is None else Team(world(command), exact, backend)
    if team.size == 1:
        yield team
        return
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    with team.guarded(_tell):
        try:
            yield team
        except BaseException as error:
            if error is not team.agreed:
                raise
            status = 130 if isinstance(error, KeyboardInterrupt) else 1
            if team.rank == 0 and status == 1:
                print(f"convlet: {told(error)}", file=sys.stderr, flush=True)
            team.exchange(None)  # mpiexec ends all processes when one has failed, so let it be said first
            team.agreed = click.exceptions.Exit(status)
            raise team.agreed from error


def _tell(error: BaseException) -> str | None:
    return told(error) if isinstance(error, (*FAILURES, click.ClickException, KeyboardInterrupt)) else None
