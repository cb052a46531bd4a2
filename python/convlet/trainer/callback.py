"""What a run calls on its way: the base class of callbacks, and how all of them are called together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from .._arrays import function
from ..history import Row
from .epoch import Progress

if TYPE_CHECKING:
    from .trainer import Trainer

__all__ = ["Callback", "StopTraining", "callbacks_of", "running", "tell_epoch"]


class StopTraining(Exception):  # noqa: N818  (no error: it ends a run as it should end)
    """Raised by a callback to end a run: :meth:`convlet.Trainer.fit` then returns the history as it is."""


class Callback:
    """What happens at the turns of a run; a subclass overrides what it needs.

    A callback ends the run by raising :class:`StopTraining`; what a method returns is not looked at. After
    ``on_epoch`` the run ends between two epochs, once the other callbacks have seen the row; after
    ``on_progress`` between two steps, within an epoch that has no row.

    Whatever else a callback raises comes out of :meth:`convlet.Trainer.fit`. The net, the optimizer and the
    history then are those of the last whole step, and :meth:`convlet.Trainer.checkpoint` tells how to go on.
    """

    def on_start(self, trainer: Trainer) -> None:
        """The arguments have been checked, and nothing is trained yet.

        ``trainer.history`` holds the rows of the run that goes on, and in its ``config`` the settings.
        """

    def on_epoch(self, row: Row, trainer: Trainer) -> None:
        """An epoch is over; ``row`` is the last one of ``trainer.history``."""

    def on_progress(self, progress: Progress, trainer: Trainer) -> None:
        """An epoch has come further: about every 50 ms, between two steps.

        On the GPU ``trainer.net`` is that of the last whole epoch.
        """

    def on_end(self, trainer: Trainer, error: BaseException | None) -> None:
        """The run is over; called once for every ``on_start``, whatever happens.

        Args:
            trainer: the one that ran.
            error: what broke the run off, Ctrl-C too; ``None`` for a run that came to its end or was stopped.
        """


class _Functions(Callback):
    """The two functions that a fit takes by themselves."""

    def __init__(
        self,
        on_epoch: Callable[[Row], object] | None,
        on_progress: Callable[[Progress], object] | None,
    ) -> None:
        self._on_epoch, self._on_progress = on_epoch, on_progress

    def on_epoch(self, row: Row, trainer: Trainer) -> None:
        if self._on_epoch is not None:
            self._on_epoch(row)

    def on_progress(self, progress: Progress, trainer: Trainer) -> None:
        if self._on_progress is not None:
            self._on_progress(progress)


def callbacks_of(
    callbacks: Sequence[Callback],
    on_epoch: Callable[[Row], object] | None,
    on_progress: Callable[[Progress], object] | None,
) -> tuple[Callback, ...]:
    """The two functions and the callbacks, in this order; ``TypeError`` names what is none."""
    if not isinstance(callbacks, Sequence):
        raise TypeError(f"fit: expected callbacks to be a list, got {type(callbacks).__name__}")
    for callback in callbacks:
        if not isinstance(callback, Callback):
            raise TypeError(f"fit: expected callbacks of convlet.callbacks.Callback, got {callback!r}")
    for name, given in (("on_epoch", on_epoch), ("on_progress", on_progress)):
        if given is not None:
            function("fit", name, given)
    return _Functions(on_epoch, on_progress), *callbacks


def tell_epoch(callbacks: Sequence[Callback], row: Row, trainer: Trainer) -> None:
    """Call ``on_epoch`` of all callbacks, also of those behind one that stops the run."""
    stop: StopTraining | None = None
    for callback in callbacks:
        try:
            callback.on_epoch(row, trainer)
        except StopTraining as raised:
            stop = raised
    if stop is not None:
        raise stop


@contextmanager
def running(trainer: Trainer, callbacks: Sequence[Callback]) -> Iterator[None]:
    """Start all callbacks, and in the end, whatever it is, end those that have started, in their order."""
    started: list[Callback] = []
    broken: BaseException | None = None
    try:
        for callback in callbacks:
            callback.on_start(trainer)
            started.append(callback)
        yield
    except StopTraining:
        raise
    except BaseException as error:
        broken = error
        raise
    finally:
        with ExitStack() as ends:  # all of them, even if one fails
            for callback in reversed(started):
                ends.callback(callback.on_end, trainer, broken)
