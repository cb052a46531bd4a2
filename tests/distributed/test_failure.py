"""When one rank fails, all end soon, and the first that is read is why."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from mpi_launch import PROGRAM, Launch
from slower import SLOWER

WITHIN_SECONDS = 10 * SLOWER


def test_an_exception_on_one_rank_is_raised_on_all(launch: Launch, tmp_path: Path) -> None:
    outcome = launch(4, str(PROGRAM), str(tmp_path), "raise=2", "epochs=1000")
    assert outcome.status != 0
    assert outcome.seconds < WITHIN_SECONDS
    errors = [line for line in outcome.err.splitlines() if re.match(r"\w+Error:", line)]
    assert errors
    assert {line.removeprefix("ValueError: ").removeprefix("rank 2: ") for line in errors} == {
        "the disk of this rank is full"
    }


def test_an_exception_within_an_epoch_ends_all_ranks(launch: Launch, tmp_path: Path) -> None:
    outcome = launch(2, str(PROGRAM), str(tmp_path), "break=1", "epochs=1000000")
    assert outcome.status != 0
    assert outcome.seconds < WITHIN_SECONDS
    assert "broken within an epoch" in outcome.err


def test_the_death_of_a_rank_ends_all_ranks(launch: Launch, tmp_path: Path) -> None:
    outcome = launch(4, str(PROGRAM), str(tmp_path), "die=1", "epochs=1000000")
    assert outcome.status != 0
    assert outcome.seconds < WITHIN_SECONDS
    assert re.search(r"rank 1 .*signal 9", " ".join(outcome.err.split()))
    assert "Traceback" not in outcome.err


def test_an_error_that_only_one_rank_knows_of_ends_all_with_its_message_first(launch: Launch) -> None:
    program = """
from mpi4py import MPI
from convlet.distributed import Team
team = Team(MPI.COMM_WORLD)
with team.guarded():
    if team.rank == 1:
        raise ZeroDivisionError("only here")
    team.exchange("waits for rank 1")
"""
    outcome = launch(3, "-c", program)
    assert outcome.status != 0
    assert outcome.seconds < WITHIN_SECONDS
    assert outcome.err.startswith("convlet: rank 1: Traceback")
    assert "ZeroDivisionError: only here" in outcome.err


DIFFERENT = """
import json, sys
import numpy as np
from mpi4py import MPI
from convlet import Trainer, nn, optim
world, how = MPI.COMM_WORLD, sys.argv[1]
other = world.rank == world.size - 1
if how == "version" and other:
    from convlet.trainer import together
    together.version = lambda name: "9.9"
x, y = np.zeros((40, 1, 28, 28), np.uint8), np.arange(40) % 10
if how == "data" and other:
    x[7, 0, 3, 3] = 1
lr = 0.5 if how == "settings" and other else 0.1
net = nn.Sequential(nn.Flatten(), nn.Linear(784, 10)) if how == "net" and other else nn.LeNet()
if how == "labels" and other:
    y = y + 100
trainer = Trainer(net, optim.SGD(lr), nn.CrossEntropyLoss(), communicator=world)
try:
    trainer.fit((x, y), epochs=1, batch_size=1 if how == "ranks" else 40)
except ValueError as error:
    print(json.dumps([world.rank, str(error)]), flush=True)
"""


@pytest.mark.parametrize(
    "how, says",
    [
        ("version", "expected the same version of convlet on all ranks, got .* on rank 0 and 9.9 on rank 2"),
        ("data", "expected the same training data on all ranks"),
        ("settings", "expected the same optimizer on all ranks, got .*0.1.* on rank 0 and .*0.5.* on rank 2"),
        ("net", "expected the same net on all ranks"),
        ("labels", "expected labels in 0..9, got 100 at position 0"),
        ("ranks", "expected at most 1 ranks, one an image of a batch, got 3"),
    ],
)
def test_ranks_that_do_not_fit_each_other_are_told_so_on_every_rank(
    launch: Launch, how: str, says: str
) -> None:
    outcome = launch(3, "-c", DIFFERENT, how)
    assert outcome.status == 0, outcome.err
    told = dict(json.loads(line) for line in outcome.out.splitlines())
    assert sorted(told) == [0, 1, 2]
    assert all(re.search(says, message) for message in told.values()), told
