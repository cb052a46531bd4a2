"""What every rank runs on a GPU: `gpu_program.py FOLDER [name=value ...]` leaves its result in FOLDER."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
from mpi4py import MPI

sys.path.insert(0, str(Path(__file__).parents[1]))

import gpu_team_runs as runs
from convlet.distributed import Team
from rank_program import earlier, faults, leave

folder, options = Path(sys.argv[1]), dict(word.split("=") for word in sys.argv[2:])
world = MPI.COMM_WORLD
only_here = {name for name, value in options.items() if value == f"rank{world.rank}"}
if "older" in only_here:
    os.environ["STAND_IN_VERSION"] = "22105"
if "missing" in only_here:
    os.environ["CONVLET_NCCL"] = "/nowhere/libnccl.so.2"
made = runs.trainer(
    options.get("net", "fused LeNet"),
    options.get("optimizer", "momentum"),
    options.get("loss", "plain"),
    Team(world, backend=options.get("backend", "nccl")),
    seed=world.rank,  # only rank 0's weights count
)
if "long" in options:  # an epoch that takes long enough to show its progress
    runs.X, runs.Y = np.tile(runs.X, (200, 1, 1, 1)), np.tile(runs.Y, 200)
found = runs.fit(
    made,
    "augmented" in options,
    epochs=int(options.get("epochs", 3)),
    batch_size=int(options.get("batch", runs.BATCH)),
    resume=earlier(folder, world.rank, options),
    **faults(only_here),
)
leave(folder, world.rank, made, found)
if world.rank == 0:
    print(made.history.config["backend"], made.history.config["ranks"])
