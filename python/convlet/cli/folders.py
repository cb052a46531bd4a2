"""Where a run's files go if nobody says."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

__all__ = ["new_folder"]


def new_folder(what: str) -> Path:
    """``runs/<time>-<what>``, with a number behind it where there is one already."""
    name = f"{time.strftime('%Y%m%d-%H%M%S')}-{what}"
    candidates = (Path("runs") / (name if n == 1 else f"{name}-{n}") for n in itertools.count(1))
    return next(folder for folder in candidates if not folder.exists())
