"""What every rank runs: `train_program.py FOLDER [name=value ...]` leaves its result in FOLDER."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from mpi4py import MPI

sys.path.insert(0, str(Path(__file__).parents[1]))

import team_runs as cases
from convlet.distributed import Team
from rank_program import earlier, faults, leave

folder, options = Path(sys.argv[1]), dict(word.split("=") for word in sys.argv[2:])
world = MPI.COMM_WORLD
own_seed = 0 if world.rank == 0 else 17  # only rank 0's weights count
team = Team(world, exact="exact" in options)
made = cases.trainer(options.get("optimizer", "sgd"), options.get("loss", "plain"), team, seed=own_seed)
if "break" in options:  # an epoch that takes long enough to show its progress
    cases.X, cases.Y = np.tile(cases.X, (60, 1, 1, 1)), np.tile(cases.Y, 60)
found = cases.fit(
    made,
    epochs=int(options.get("epochs", cases.EPOCHS)),
    resume=earlier(folder, world.rank, options),
    **faults({name for name, value in options.items() if value == str(world.rank)}),
)
leave(folder, world.rank, made, found)
