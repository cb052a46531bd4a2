"""The command line, ``convlet`` or ``python -m convlet``: a thin face on the library.

Exit status: 0 for success, 2 for bad usage, 130 after Ctrl-C, 1 for a failure told in one line.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from .detect import detect
from .evaluate import evaluate
from .export import export
from .failures import FAILURES, tell
from .info import info
from .predict import predict
from .progress import cannot_print
from .sweep import sweep
from .train import train

__all__ = ["commands", "main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.version_option(package_name="convlet", prog_name="convlet")
def commands() -> None:
    """Train and run LeNet-class convolutional networks at the speed of the machine."""


for command in (train, sweep, evaluate, predict, detect, export, info):
    commands.add_command(command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.

    Args:
        arguments: the words after ``convlet``; by default the process's own.
    """
    status = _status(arguments)
    try:
        sys.stdout.flush()
    except OSError as error:
        if status == 0:
            tell(cannot_print(error))
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter would try again
        return status or 1
    return status


def _status(arguments: Sequence[str] | None) -> int:
    try:
        status = commands.main(arguments, prog_name="convlet", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return 130
    except FAILURES as error:
        tell(error)
        return 1
    return status if isinstance(status, int) else 0
