"""The engine as one of several: tiles are shared out, and what the others computed comes in between."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from convlet.distributed import Team
from engine_run import ADAM, CROSS_ENTROPY, SGD, EngineRun
from networks import ALL_OPTIONS, LENET, RELU_MAX_POOL, Network
from team_in_threads import ThreadCommunicator, in_threads
from tolerances import assert_same_bits, relative_to_largest

BATCHES = (7, 16, 40, 100)  # fewer tiles than ranks, a whole one, and a last one that is not
WEIGHTED = CROSS_ENTROPY | {"weight": np.linspace(0.5, 2, 10, dtype=np.float32), "ignore_index": 3}


def trained(network: Network, batch: int, team: Any = None, **how: Any) -> EngineRun:
    images, labels = network.data(130)
    run = EngineRun(network.make(), network.input_shape, **how)
    run.train(images, labels, batch, 0.01, team=team)
    return run


@pytest.mark.parametrize("ranks", [1, 2, 3, 5])
@pytest.mark.parametrize("network", [LENET, RELU_MAX_POOL, ALL_OPTIONS], ids=lambda network: network.name)
@pytest.mark.parametrize("batch", BATCHES)
def test_tiles_of_a_team_give_the_bits_of_one_process(network: Network, batch: int, ranks: int) -> None:
    one = trained(network, batch, optimizer=ADAM)
    runs = in_threads(ranks, lambda c: trained(network, batch, Team(c, exact=True), optimizer=ADAM))
    for run in runs:
        assert_same_bits(run.parameters, one.parameters)
        assert_same_bits(run.state, one.state)
        assert_same_bits(run.totals, one.totals)


@pytest.mark.parametrize("ranks", [2, 3, 5])
@pytest.mark.parametrize("loss", [CROSS_ENTROPY, WEIGHTED, CROSS_ENTROPY | {"reduction": "sum"}])
@pytest.mark.parametrize("batch", BATCHES)
def test_sums_of_a_team_follow_one_process(loss: dict[str, Any], batch: int, ranks: int) -> None:
    one = trained(LENET, batch, optimizer=SGD | {"momentum": 0.9}, loss=loss)
    runs = in_threads(
        ranks, lambda c: trained(LENET, batch, Team(c), optimizer=SGD | {"momentum": 0.9}, loss=loss)
    )
    for run in runs:
        assert_same_bits(run.parameters, runs[0].parameters)
        assert relative_to_largest(run.parameters, one.parameters) < 2e-6
        assert relative_to_largest(run.state, one.state) < 2e-6
        np.testing.assert_allclose(run.totals, one.totals, rtol=1e-6)


@pytest.mark.parametrize("exact", [False, True], ids=["sums", "tiles"])
@pytest.mark.parametrize("threads", [2, 3])
def test_the_threads_of_each_rank_change_no_bit(threads: int, exact: bool) -> None:
    def ends(threads: int) -> list[EngineRun]:
        return in_threads(2, lambda c: trained(LENET, 100, Team(c, exact), optimizer=ADAM, threads=threads))

    for run, expected in zip(ends(threads), ends(1), strict=True):
        assert_same_bits(run.parameters, expected.parameters)
        assert_same_bits(run.state, expected.state)
        assert_same_bits(run.totals, expected.totals)


def test_a_rank_that_stops_stops_all_after_the_same_step() -> None:
    images, labels = LENET.data(512)
    order = np.resize(np.arange(512), 64 * 4000)

    def work(communicator: ThreadCommunicator) -> tuple[EngineRun, str]:
        def stop() -> None:
            if communicator.rank == 1 and run.totals[0] > 0:
                raise RuntimeError("enough")

        run, said = EngineRun(LENET.make(), LENET.input_shape), ""
        try:
            run.train(images, labels, 64, 0.01, order, stop, team=Team(communicator))
        except RuntimeError as error:
            said = str(error)
        return run, said

    (first, nothing), (second, said) = in_threads(2, work)
    assert (nothing, said) == ("", "enough")
    assert 0 < first.totals[0] < 4000
    assert_same_bits(first.totals, second.totals)
    assert_same_bits(first.parameters, second.parameters)


def test_what_a_team_raises_comes_out_and_leaves_the_weights_of_the_last_step() -> None:
    calls: list[int] = []

    def allreduce(numbers: Any) -> None:
        calls.append(numbers.size)
        if len(calls) == 3:
            raise OSError("the line is cut")

    team = SimpleNamespace(rank=0, size=1, exact=False, allreduce=allreduce)
    run = EngineRun(LENET.make(), LENET.input_shape)
    images, labels = LENET.data(200)
    with pytest.raises(OSError, match="the line is cut"):
        run.train(images, labels, 40, 0.1, team=team)
    again = EngineRun(LENET.make(), LENET.input_shape)
    again.train(images, labels, 40, 0.1, np.arange(80))
    assert_same_bits(run.parameters, again.parameters)
    assert run.totals[0] == 2


@pytest.mark.parametrize(
    "rank, size, says", [(2, 2, "expected a rank in 0..1, got 2"), (0, 0, "expected a team of at least one")]
)
def test_a_team_that_cannot_be_is_refused(rank: int, size: int, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        trained(LENET, 16, SimpleNamespace(rank=rank, size=size, exact=False))
