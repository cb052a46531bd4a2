"""A trainer in a team, whose processes are threads here: what all share, compare and agree on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import team_runs
from convlet import Trainer, nn, optim
from convlet.distributed import Team
from convlet.history import Row
from team_in_threads import ThreadCommunicator, in_threads
from tolerances import assert_same_bits_by_name, relative_to_largest


def run(communicator: ThreadCommunicator, exact: bool = True, **options: Any) -> dict[str, Any]:
    seed = 0 if communicator.rank == 0 else 9  # only rank 0's weights count
    made = team_runs.trainer("adam", "weighted", Team(communicator, exact), seed)
    return team_runs.fit(made, epochs=2, **options)


@pytest.mark.parametrize("ranks", [2, 3, 8])
def test_a_team_ends_with_the_net_the_state_and_the_figures_of_one(ranks: int) -> None:
    one = team_runs.fit(team_runs.trainer("adam", "weighted"), epochs=2)
    for result in in_threads(ranks, run):
        assert_same_bits_by_name(result, one)
    results = in_threads(ranks, lambda communicator: run(communicator, exact=False))
    for result in results:
        assert_same_bits_by_name(result, results[0])
        for name, expected in one.items():
            assert relative_to_largest(result[name], expected) < team_runs.ROUNDING["adam"], name


def test_a_rank_without_a_tile_to_test_adds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(team_runs, "TESTS", 20)  # two tiles for five ranks
    one = team_runs.fit(team_runs.trainer("adam", "weighted"), epochs=2)
    for result in in_threads(5, lambda communicator: run(communicator, exact=False)):
        assert relative_to_largest(result["history"], one["history"]) < 2e-6


def test_the_history_says_how_many_ranks_there_were() -> None:
    def config(communicator: ThreadCommunicator) -> dict[str, Any]:
        made = team_runs.trainer("sgd", "plain", communicator)
        team_runs.fit(made, epochs=1)
        return made.history.config

    for found in in_threads(2, config):
        assert (found["ranks"], found["exact"]) == (2, False)
    made = team_runs.trainer("sgd", "plain")
    team_runs.fit(made, epochs=1)
    assert "ranks" not in made.history.config


def said(communicator: ThreadCommunicator, **options: Any) -> str:
    try:
        run(communicator, **options)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def test_what_a_callback_raises_on_one_rank_is_raised_on_all() -> None:
    def work(communicator: ThreadCommunicator) -> str:
        def on_epoch(row: Row) -> None:
            if communicator.rank == 1:
                raise OSError("no space left")

        return said(communicator, on_epoch=on_epoch)

    assert in_threads(3, work) == [
        "OSError: rank 1: no space left",
        "OSError: no space left",
        "OSError: rank 1: no space left",
    ]


def test_weights_that_come_apart_are_noticed_after_the_epoch() -> None:
    class Faulty(ThreadCommunicator):
        """A message that arrives with a wrong bit."""

        def allreduce(self, numbers: Any, /) -> None:
            super().allreduce(numbers)
            if self.rank == 1 and numbers.dtype == np.float32 and numbers.size > 1000:
                numbers[100] += np.float32(1e-3)

    found = in_threads(2, lambda c: said(Faulty(c.meeting, c.rank), exact=False))
    for text in found:
        assert text.startswith("ValueError: fit: expected the same weights after epoch 1 on all ranks, got ")


def test_more_ranks_than_images_in_a_batch_are_refused_on_every_rank() -> None:
    for text in in_threads(3, lambda c: said(c, batch_size=2)):
        assert text == "ValueError: fit: expected at most 2 ranks, one an image of a batch, got 3"


def test_bad_data_on_one_rank_is_told_by_all() -> None:
    def work(communicator: ThreadCommunicator) -> str:
        images = team_runs.X[: 40 - communicator.rank]
        made = team_runs.trainer("sgd", "plain", communicator)
        try:
            made.fit((images, team_runs.Y[:40]), epochs=1)
        except ValueError as error:
            return str(error)
        return ""

    own = "fit: train: expected labels of shape (39,), one an image, got (40,)"
    assert in_threads(2, work) == [f"rank 1: {own}", own]


def test_another_kind_of_communicator_is_refused() -> None:
    with pytest.raises(TypeError, match="Team: expected a communicator of mpi4py, .* got int"):
        Trainer(nn.LeNet(), optim.SGD(0.1), nn.CrossEntropyLoss(), communicator=3)
