"""The engine on the GPU as one of several: shares of every batch, and sums that come in between."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import gpu_team_runs as runs
from convlet import _core
from convlet.distributed import Team
from convlet.distributed.communicator import Nobody
from convlet.distributed.nccl import find_library, gpu_of
from cuda_runs import cuda_run
from engine_run import ADAM, CROSS_ENTROPY, SGD, EngineRun
from nccl_library import compile_stand_in, use_nccl
from team_in_threads import ThreadCommunicator, in_threads
from tolerances import assert_same_bits, assert_same_bits_by_name, relative_to_largest

MOMENTUM = SGD | {"momentum": 0.9}
WEIGHTED = CROSS_ENTROPY | {"weight": np.linspace(0.5, 2, 10, dtype=np.float32), "ignore_index": 3}
PATHS = ("fused LeNet", "layer by layer")


def engine(net: str, **how: Any) -> EngineRun:
    return cuda_run(runs.NETS[net]().initialize("pytorch", 0), (1, 8, 8), **how)


def trained(net: str, batch: int, team: Any = None, augment: Any = None, **how: Any) -> EngineRun:
    run = engine(net, **how)
    run.train(runs.X, runs.Y, batch, 0.01, team=team, seed=5, augment=augment)
    return run


def on_hosts(communicator: object) -> Team:
    return Team(communicator, backend="host")


@pytest.fixture(scope="session")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_stand_in(tmp_path_factory.mktemp("nccl"))


@pytest.fixture
def nccl(device: str, stand_in: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """NCCL's library, with one GPU."""
    use_nccl(monkeypatch, stand_in, 1)
    return find_library()


@pytest.mark.parametrize("net", PATHS)
def test_both_paths_are_tested(device: str, net: str) -> None:
    assert engine(net).engine.passes == net


# One batch, short last ones, fewer tiles than ranks.
@pytest.mark.parametrize("ranks, batch", [(1, 40), (2, 70), (3, 7), (5, 40)])
@pytest.mark.parametrize("loss", [CROSS_ENTROPY, WEIGHTED, CROSS_ENTROPY | {"reduction": "sum"}])
@pytest.mark.parametrize("net", PATHS)
def test_a_team_follows_one_process(device: str, net: str, loss: dict, batch: int, ranks: int) -> None:
    how = {"optimizer": MOMENTUM, "loss": loss}
    one = trained(net, batch, **how)
    team = in_threads(ranks, lambda c: trained(net, batch, on_hosts(c), **how))
    for run in team:
        assert_same_bits(run.parameters, team[0].parameters)
        assert_same_bits(run.totals, team[0].totals)
        assert relative_to_largest(run.parameters, one.parameters) < 2e-6
        assert relative_to_largest(run.state, one.state) < 5e-6
        np.testing.assert_allclose(run.totals, one.totals, rtol=1e-6)


@pytest.mark.parametrize("net", PATHS)
def test_a_team_follows_one_on_the_cpu_with_augmented_images(device: str, net: str) -> None:
    augment = runs.Augment(shift=1, flip=True).spec()
    one = EngineRun(runs.NETS[net]().initialize("pytorch", 0), (1, 8, 8), optimizer=ADAM)
    one.train(runs.X, runs.Y, 48, 0.01, seed=5, augment=augment)
    for run in in_threads(3, lambda c: trained(net, 48, on_hosts(c), augment, optimizer=ADAM)):
        assert relative_to_largest(run.parameters, one.parameters) < 1e-4
        np.testing.assert_allclose(run.totals, one.totals, rtol=1e-5)


def test_a_rank_that_stops_stops_all_after_the_same_step(device: str) -> None:
    order = np.resize(np.arange(runs.IMAGES), 64 * 4000)

    def work(communicator: ThreadCommunicator) -> tuple[EngineRun, str]:
        def stop() -> None:
            if communicator.rank == 1 and run.totals[0] > 0:
                raise RuntimeError("enough")

        run, said = engine("one layer"), ""
        try:
            run.train(runs.X, runs.Y, 64, 0.01, order, stop, team=on_hosts(communicator))
        except RuntimeError as error:
            said = str(error)
        return run, said

    (first, nothing), (second, said) = in_threads(2, work)
    assert (nothing, said) == ("", "enough")
    assert 0 < first.totals[0] < 4000
    assert_same_bits(first.totals, second.totals)
    assert_same_bits(first.parameters, second.parameters)


def test_what_a_team_raises_comes_out_and_leaves_the_weights_of_the_last_step(device: str) -> None:
    calls: list[int] = []

    def allreduce(numbers: Any) -> None:
        calls.append(numbers.size)
        if len(calls) == 3:
            raise OSError("the line is cut")

    team = SimpleNamespace(rank=0, size=1, exact=False, allreduce=allreduce)
    run, again = engine("one layer"), engine("one layer")
    with pytest.raises(OSError, match="the line is cut"):
        run.train(runs.X, runs.Y, 16, 0.1, team=team)
    again.train(runs.X, runs.Y, 16, 0.1, np.arange(32))
    assert_same_bits(run.parameters, again.parameters)
    assert run.totals[0] == 2


def test_an_exact_team_is_refused(device: str) -> None:
    with pytest.raises(
        ValueError, match="engine: expected a team that adds up sums on a GPU, got an exact one"
    ):
        trained("one layer", 16, Team(Nobody(), exact=True))


@pytest.mark.parametrize("net", PATHS)
@pytest.mark.parametrize("optimizer", [MOMENTUM, ADAM], ids=["momentum", "Adam"])
def test_one_rank_with_nccl_has_the_bits_of_a_process_by_itself(nccl: str, net: str, optimizer: dict) -> None:
    alone, ranked = engine(net, optimizer=optimizer), engine(net, optimizer=optimizer)
    ranked.engine.connect(nccl, _core.nccl_unique_id(nccl), 0, 1)
    for _ in range(2):  # the second time with the graphs of the first
        alone.train(runs.X, runs.Y, 16, 0.05)
        ranked.train(runs.X, runs.Y, 16, 0.05, team=Team(Nobody()))
    ranked.engine.disconnect()
    assert_same_bits(ranked.parameters, alone.parameters)
    assert_same_bits(ranked.state, alone.state)
    np.testing.assert_allclose(ranked.totals, alone.totals, rtol=1e-6)


def test_steps_with_sums_by_nccl_go_through_graphs_of_many(nccl: str) -> None:
    """An epoch of 34 steps: a first one, two graphs of sixteen, and a last one."""
    alone, ranked = engine("one layer"), engine("one layer")
    ranked.engine.connect(nccl, _core.nccl_unique_id(nccl), 0, 1)
    for _ in range(2):
        alone.train(runs.X[:34], runs.Y[:34], 1, 0.05)
        ranked.train(runs.X[:34], runs.Y[:34], 1, 0.05, team=Team(Nobody()))
    ranked.engine.evaluate(ranked.parameters, runs.X, runs.Y, CROSS_ENTROPY)  # which forgets all graphs
    alone.train(runs.X, runs.Y, 16, 0.05)
    ranked.train(runs.X, runs.Y, 16, 0.05, team=Team(Nobody()))
    ranked.engine.disconnect()
    assert_same_bits(ranked.parameters, alone.parameters)


def test_a_wish_to_stop_is_heard_with_nccl(nccl: str) -> None:
    def stop() -> None:
        raise RuntimeError("enough")

    run = engine("one layer")
    run.engine.connect(nccl, _core.nccl_unique_id(nccl), 0, 1)
    order = np.resize(np.arange(runs.IMAGES), 64 * 4000)
    with pytest.raises(RuntimeError, match="enough"):
        run.train(runs.X, runs.Y, 64, 0.01, order, stop, team=Team(Nobody()))
    run.engine.disconnect()
    steps = int(run.totals[0])
    assert 0 < steps < 4000
    again = engine("one layer")
    again.train(runs.X, runs.Y, 64, 0.01, order[: 64 * steps])
    assert_same_bits(run.parameters, again.parameters)


def test_a_sum_that_fails_is_told_and_loses_the_team(
    nccl: str, emulated: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN_FAIL", "0:4")
    run, team = engine("one layer"), Team(Nobody())
    run.engine.connect(nccl, _core.nccl_unique_id(nccl), 0, 1)
    with pytest.raises(RuntimeError, match="NCCL: a sum over the processes: .*: a cable was pulled"):
        run.train(runs.X, runs.Y, 16, 0.05, team=team)
    assert team.lost


def test_an_id_that_is_none_is_refused(nccl: str) -> None:
    with pytest.raises(RuntimeError, match="NCCL cannot be used: expected an id of 128 bytes, got 3"):
        engine("one layer").engine.connect(nccl, b"abc", 0, 1)


def said(communicator: ThreadCommunicator, team: Team | None = None, **options: Any) -> str:
    try:
        runs.fit(runs.trainer("one layer", communicator=team or communicator, **options), epochs=1)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def test_ranks_that_share_a_gpu_are_told_so_with_nccl(nccl: str) -> None:
    for text in in_threads(2, said):
        assert text.startswith(
            "ValueError: Trainer: expected a GPU for each rank, which NCCL needs, got ranks 0 and 1"
        )
        assert "--backend host" in text


def test_ranks_that_share_a_gpu_train_by_way_of_the_hosts(device: str) -> None:
    def work(communicator: ThreadCommunicator) -> dict[str, Any]:
        made = runs.trainer("fused LeNet", communicator=on_hosts(communicator), seed=communicator.rank)
        found = runs.fit(made)
        assert (made.history.config["backend"], made.history.config["ranks"]) == ("host", 2)
        return found

    one = runs.fit(runs.trainer("fused LeNet"))
    results = in_threads(2, work)
    assert_same_bits_by_name(results[1], results[0])
    for name, expected in one.items():
        assert relative_to_largest(results[0][name], expected) < runs.ROUNDING["momentum"], name


def test_without_a_library_one_sentence_says_what_to_do(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVLET_NCCL", "/nowhere/libnccl.so.2")
    for text in in_threads(2, said):
        assert text.startswith("RuntimeError: ")
        assert "Trainer: NCCL cannot be used: /nowhere/libnccl.so.2: cannot open shared object file" in text
        assert 'pip install "convlet[nccl]"' in text


def test_ranks_with_other_devices_or_backends_are_told_so(device: str) -> None:
    texts = in_threads(2, lambda c: said(c, on_hosts(c), device="cuda" if c.rank else "cpu"))
    for text in texts:
        assert (
            text
            == "ValueError: fit: expected the same device on all ranks, got cpu on rank 0 and cuda on rank 1"
        )


def test_a_team_takes_the_cpu_unless_the_gpu_is_asked_for(device: str) -> None:
    assert (
        in_threads(2, lambda c: runs.trainer("one layer", communicator=c, device="auto").device)
        == ["cpu"] * 2
    )


def test_exact_ranks_on_gpus_are_refused(device: str) -> None:
    for text in in_threads(2, lambda c: said(c, Team(c, exact=True))):
        assert text == "ValueError: Trainer: expected device 'cpu' for a team with exact=True, got 'cuda'"


def test_a_gpu_in_use_cannot_be_changed(device: str) -> None:
    used = _core.cuda_info()["ordinal"]
    assert used in _core.cuda_devices()
    _core.select_cuda_device(used)
    with pytest.raises(
        RuntimeError, match=f"expected GPU {used + 1} to be chosen before the first use of any"
    ):
        _core.select_cuda_device(used + 1)


def test_the_ranks_of_a_host_take_its_gpus_in_turn() -> None:
    hosts, gpus = ["a", "b", "a", "a", "b"], [0, 2]  # where GPU 1 is too old
    assert [gpu_of(rank, hosts, gpus) for rank in range(5)] == [0, 0, 2, 0, 2]
