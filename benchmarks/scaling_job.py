"""What the ranks of a measurement of scaling run: times of an allreduce, and of training steps.

    mpiexec -n N python benchmarks/scaling_job.py '{"nets": [...], "batches": [...], "seconds": s, ...}'

Rank 0 prints the times as JSON. Before anything is timed, the ranks prove that they train to the bits of one
process. With as many threads a rank as asked for.
"""

from __future__ import annotations

import json
import math
import sys
import time
from typing import Any

import numpy as np
from mpi4py import MPI

from convlet import Trainer, nn, optim
from convlet.distributed import Team
from machine import spread
from measure import check_equal
from nets import NETS, Net

WORLD = MPI.COMM_WORLD
LR = 1e-3


def data(net: Net, images: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (images, *net.image), np.uint8), rng.integers(0, 10, images)


def trainer(net: Net, team: Team | None, threads: int) -> Trainer:
    made = net.build().initialize(net.scheme, seed=0)
    return Trainer(made, optim.SGD(LR), nn.CrossEntropyLoss(), "cpu", threads, team)


def prove(net: Net, threads: int) -> None:
    """Three steps of all ranks, exactly, have the bits of this process alone."""
    x, y = data(net, 3 * 64 - 5)
    together, alone = trainer(net, Team(WORLD, exact=True), threads), trainer(net, None, 1)
    for made in (together, alone):
        made.fit((x, y), None, 1, 64)
    for name, expected in alone.net.state_dict().items():
        check_equal(f"{name} on {WORLD.size} ranks", together.net.state_dict()[name], expected, tolerance=0.0)


def allreduce_seconds(size_bytes: int, repetitions: int, seconds: float) -> dict[str, float]:
    """Of a sum over all ranks, in place: the slowest rank's."""
    numbers = np.ones(max(1, size_bytes // 4), np.float32)

    def rounds(count: int) -> float:
        WORLD.Barrier()
        begin = time.perf_counter()
        for _ in range(count):
            WORLD.Allreduce(MPI.IN_PLACE, numbers)
        return float(WORLD.allreduce(time.perf_counter() - begin, MPI.MAX)) / count

    rounds(3)
    count = max(3, min(2000, math.ceil(seconds / rounds(3))))
    return spread([rounds(count) for _ in range(repetitions)])


def step_seconds(net: Net, batch: int, threads: int, repetitions: int, seconds: float) -> dict[str, float]:
    """Of a training step, from epochs of several: the slowest rank's."""
    made = trainer(net, Team(WORLD), threads)

    def epoch(steps: int) -> float:
        x, y = data(net, batch * steps)
        made.fit((x, y), None, repetitions, batch, shuffle=False)
        return float(WORLD.allreduce(min(row.seconds for row in made.history), MPI.MAX)) / steps

    steps = max(2, min(500, math.ceil(seconds / epoch(2))))
    epoch(steps)
    times = [row.seconds / steps for row in made.history]
    return spread([float(WORLD.allreduce(each, MPI.MAX)) for each in times])


def main() -> None:
    asked = json.loads(sys.argv[1])
    nets = [net for net in NETS if net.name in asked["nets"]]
    threads, effort = asked["threads"], (asked["repetitions"], asked["seconds"])
    for net in nets:
        prove(net, threads)
    found = {
        "ranks": WORLD.size,
        "allreduce": [
            {"bytes": size, "seconds": allreduce_seconds(size, *effort)} for size in asked["sizes"]
        ],
        "steps": [
            {"net": net.name, "batch": batch, "seconds": step_seconds(net, batch, threads, *effort)}
            for net in nets
            for batch in asked["batches"]
        ],
    }
    if WORLD.rank == 0:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
