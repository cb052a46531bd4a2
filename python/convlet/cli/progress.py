"""How a run is shown: a bar under the lines of the epochs on a terminal, the lines alone elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import click

from ..history import Row
from ..trainer import Progress

__all__ = ["Display", "Output", "cannot_print", "display"]


class Output:
    """The standard output, of a run that goes on if its disk is full.

    Attributes:
        failure: why a line could not be written, or None.
    """

    def __init__(self) -> None:
        self.failure: OSError | None = None

    def say(self, text: str) -> None:
        """Write a line."""
        try:
            click.echo(text)
        except BrokenPipeError:
            raise  # whoever read the lines has gone
        except OSError as error:
            self.failure = error

    def check(self) -> None:
        """Raise an ``OSError`` if a line could not be written."""
        if self.failure is not None:
            raise cannot_print(self.failure)


def cannot_print(error: OSError) -> OSError:
    """The same as a sentence."""
    return OSError(error.errno, f"cannot write to the standard output: {error.strerror}")


class Display(Protocol):
    """What a run reports to."""

    def on_epoch(self, row: Row) -> None:
        """An epoch is over."""

    def on_progress(self, progress: Progress) -> None:
        """An epoch has come further."""


class _Lines:
    """One line an epoch, written at once also into a file or a pipe."""

    def __init__(self, epochs: int, output: Output) -> None:
        self.epochs, self.output = epochs, output

    def on_epoch(self, row: Row) -> None:
        self.output.say(row.line(self.epochs))

    def on_progress(self, progress: Progress) -> None:
        pass


class _Bar:
    """The lines, and below them how far the epoch is, its loss so far and its speed."""

    def __init__(self, epochs: int, images: int) -> None:
        from rich import progress  # 0.1 s to load, and only for a terminal

        self.epochs = epochs
        self.bar = progress.Progress(
            progress.TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
            progress.BarColumn(),
            progress.TaskProgressColumn(),
            progress.TextColumn("loss {task.fields[loss]:.3f}  {task.fields[speed]:,.0f} images/s"),
            auto_refresh=False,  # refreshed as progress is told, without a thread of its own
            transient=True,
        )
        self.task = self.bar.add_task(
            "training", total=images, visible=False, epoch=1, epochs=epochs, loss=0.0, speed=0.0
        )

    def on_epoch(self, row: Row) -> None:
        self.bar.console.print(row.line(self.epochs), highlight=False, soft_wrap=True)

    def on_progress(self, progress: Progress) -> None:
        self.bar.update(
            self.task,
            completed=progress.images,
            epoch=progress.epoch,
            loss=progress.train_loss,
            speed=progress.images_per_second,
            visible=True,
            refresh=True,
        )


@contextmanager
def display(epochs: int, images: int, output: Output) -> Iterator[Display]:
    """Show a run of so many epochs of so many images."""
    if not sys.stdout.isatty():
        yield _Lines(epochs, output)
        return
    shown = _Bar(epochs, images)
    with shown.bar:
        yield shown
