"""Errors as one line, for users."""

from __future__ import annotations

import sys

__all__ = ["tell", "told"]


def tell(error: BaseException) -> None:
    """Write an error to the standard error stream."""
    print(f"convlet: {told(error)}", file=sys.stderr)


def told(error: BaseException) -> str:
    """An error as one line."""
    if isinstance(error, MemoryError):
        return f"not enough memory: {error}" if str(error) else "not enough memory"
    if isinstance(error, OSError) and error.strerror:
        text = error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"
    else:
        text = str(error) or type(error).__name__
    return " ".join(text.split())
