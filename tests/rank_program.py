"""What the programs that ranks run have in common: what goes wrong on one rank, and what all leave behind."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Container
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convlet import Trainer
from convlet.checkpoint import Checkpoint, load_checkpoint, save_checkpoint

_CHECKPOINT = "checkpoint.safetensors"


def faults(here: Container[str]) -> dict[str, Callable[[Any], None]]:
    """Functions for `fit` that do on this rank what is asked for: raise, die, break."""

    def on_epoch(_: Any) -> None:
        if "raise" in here:
            raise ValueError("the disk of this rank is full")
        if "die" in here:
            os.kill(os.getpid(), signal.SIGKILL)

    def on_progress(_: Any) -> None:
        if "break" in here:
            raise ArithmeticError("broken within an epoch")

    return {"on_epoch": on_epoch, "on_progress": on_progress}


def earlier(folder: Path, rank: int, options: Container[str]) -> Checkpoint | None:
    """The run to go on with, which rank 0 alone reads."""
    return load_checkpoint(folder / _CHECKPOINT) if "resume" in options and rank == 0 else None


def leave(folder: Path, rank: int, made: Trainer, found: dict[str, NDArray[Any]]) -> None:
    """Everything that a run has come to, by rank, and rank 0's checkpoint."""
    np.savez(folder / f"rank{rank}.npz", **found)
    if rank == 0:
        save_checkpoint(folder / _CHECKPOINT, made.checkpoint())
