"""Errors as one line, for users."""

from __future__ import annotations

import sys

import click

__all__ = ["FAILURES", "tell", "told"]

# What a user can cause and mend. Anything else is a mistake of ours, and keeps its traceback.
FAILURES = (ImportError, MemoryError, OSError, RuntimeError, TypeError, ValueError)


def tell(error: BaseException) -> None:
    """Write an error to the standard error stream."""
    print(f"convlet: {told(error)}", file=sys.stderr)


def told(error: BaseException) -> str:
    """An error as one line."""
    if isinstance(error, click.ClickException):
        return error.format_message()
    if isinstance(error, MemoryError):
        return f"not enough memory: {error}" if str(error) else "not enough memory"
    if isinstance(error, OSError) and error.strerror:
        text = error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"
    else:
        text = str(error) or ("interrupted" if isinstance(error, KeyboardInterrupt) else type(error).__name__)
    return " ".join(text.split())
