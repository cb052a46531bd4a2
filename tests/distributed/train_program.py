"""What every rank runs: `train_program.py FOLDER [name=value ...]` leaves its result in FOLDER."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
from mpi4py import MPI

sys.path.insert(0, str(Path(__file__).parents[1]))

import team_runs as cases
from convlet.checkpoint import load_checkpoint, save_checkpoint
from convlet.distributed import Team
from convlet.history import Row

folder, options = Path(sys.argv[1]), dict(word.split("=") for word in sys.argv[2:])
world = MPI.COMM_WORLD
own_seed = 0 if world.rank == 0 else 17  # only rank 0's weights count
team = Team(world, exact="exact" in options)
made = cases.trainer(options.get("optimizer", "sgd"), options.get("loss", "plain"), team, seed=own_seed)


def on_epoch(row: Row) -> None:
    if options.get("raise") == str(world.rank):
        raise ValueError("the disk of this rank is full")
    if options.get("die") == str(world.rank):
        os.kill(os.getpid(), signal.SIGKILL)


def on_progress(_: Any) -> None:
    if options.get("break") == str(world.rank):
        raise ArithmeticError("broken within an epoch")


if "break" in options:  # an epoch that takes long enough to show its progress
    cases.X, cases.Y = np.tile(cases.X, (60, 1, 1, 1)), np.tile(cases.Y, 60)
resume = None
if "resume" in options and world.rank == 0:
    resume = load_checkpoint(folder / "checkpoint.safetensors")
found = cases.fit(
    made,
    epochs=int(options.get("epochs", cases.EPOCHS)),
    resume=resume,
    on_epoch=on_epoch,
    on_progress=on_progress,
)
np.savez(folder / f"rank{world.rank}.npz", **found)
if world.rank == 0:
    save_checkpoint(folder / "checkpoint.safetensors", made.checkpoint())
