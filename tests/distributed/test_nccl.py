"""Ranks with a GPU each, whose gradients NCCL adds up: on real GPUs, or on emulated ones with a stand-in."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import gpu_team_runs as runs
from convlet import _core
from convlet.checkpoint import load_checkpoint
from mpi_launch import Launch, Outcome
from nccl_library import compile_stand_in, use_nccl
from tolerances import assert_same_bits_by_name, relative_to_largest

PROGRAM = Path(__file__).with_name("gpu_program.py")
WITHIN_SECONDS = 10
Result = dict[str, NDArray[Any]]


@pytest.fixture(scope="session")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_stand_in(tmp_path_factory.mktemp("nccl"))


@pytest.fixture(autouse=True)
def nccl(stand_in: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NCCL's library, with two GPUs."""
    use_nccl(monkeypatch, stand_in, 2)


@pytest.fixture
def emulated(nccl: None) -> None:
    """As many emulated GPUs as there are processes, and a stand-in that can be made to fail."""
    if not _core.cuda_info()["emulated"]:
        pytest.skip("NCCL itself does not fail on demand")


def on_ranks(launch: Launch, folder: Path, *options: str, ranks: int = 2) -> list[Result]:
    outcome = launch(ranks, str(PROGRAM), str(folder), *options)
    assert outcome.status == 0, outcome.err
    assert outcome.out.split() == ["nccl", str(ranks)]
    files = [np.load(folder / f"rank{rank}.npz") for rank in range(ranks)]
    results = [{name: file[name] for name in file.files} for file in files]
    for rank, result in enumerate(results):
        assert_same_bits_by_name(result, results[0], f"rank {rank}")
    return results


def assert_follow(results: list[Result], one: Result, optimizer: str) -> None:
    for name, expected in one.items():
        assert relative_to_largest(results[0][name], expected) < runs.ROUNDING[optimizer], name


@pytest.mark.parametrize("net", ["fused LeNet", "layer by layer"])
@pytest.mark.parametrize("optimizer, loss", [("momentum", "weighted"), ("adam", "plain"), ("sgd", "sum")])
def test_ranks_follow_one_process(
    launch: Launch, tmp_path: Path, net: str, optimizer: str, loss: str
) -> None:
    one = runs.fit(runs.trainer(net, optimizer, loss))
    results = on_ranks(launch, tmp_path, f"net={net}", f"optimizer={optimizer}", f"loss={loss}")
    assert_follow(results, one, optimizer)


def test_ranks_follow_one_process_for_many_steps_in_graphs_of_many(launch: Launch, tmp_path: Path) -> None:
    """Three epochs of 35 steps, which are launched sixteen at a time."""
    one = runs.fit(runs.trainer("one layer"), epochs=3, batch_size=2)
    assert_follow(on_ranks(launch, tmp_path, "net=one layer", "epochs=3", "batch=2"), one, "momentum")


def test_ranks_follow_one_process_with_augmented_images(launch: Launch, tmp_path: Path) -> None:
    one = runs.fit(runs.trainer("layer by layer"), augmented=True)
    assert_follow(on_ranks(launch, tmp_path, "net=layer by layer", "augmented=1"), one, "momentum")


def test_three_ranks_one_of_which_has_no_tile_in_the_last_batch(
    emulated: None, launch: Launch, tmp_path: Path
) -> None:
    one = runs.fit(runs.trainer("fused LeNet"))
    assert_follow(on_ranks(launch, tmp_path, ranks=3), one, "momentum")


def test_a_run_goes_on_with_other_numbers_of_ranks(launch: Launch, tmp_path: Path) -> None:
    one = runs.fit(runs.trainer("fused LeNet", "adam"), epochs=4)
    on_ranks(launch, tmp_path, "optimizer=adam", "epochs=2")
    stopped = load_checkpoint(tmp_path / "checkpoint.safetensors")
    ranks = 3 if _core.cuda_info()["emulated"] else 2
    results = on_ranks(launch, tmp_path, "optimizer=adam", "epochs=4", "resume=1", ranks=ranks)
    assert_follow(results, one, "adam")
    assert_follow([runs.fit(runs.trainer("fused LeNet", "adam"), epochs=4, resume=stopped)], one, "adam")


def failed(outcome: Outcome) -> str:
    assert outcome.status != 0
    assert outcome.seconds < WITHIN_SECONDS
    return outcome.err


def test_an_exception_on_one_rank_is_raised_on_all(launch: Launch, tmp_path: Path) -> None:
    err = failed(launch(2, str(PROGRAM), str(tmp_path), "raise=rank1", "epochs=1000"))
    errors = {line for line in err.splitlines() if re.match(r"\w+Error:", line)}
    assert errors <= {
        "ValueError: the disk of this rank is full",
        "ValueError: rank 1: the disk of this rank is full",
    }
    assert errors


def test_an_exception_within_an_epoch_ends_all_ranks(launch: Launch, tmp_path: Path) -> None:
    options = ("break=rank1", "long=1", "net=one layer", "epochs=1000000")
    assert "broken within an epoch" in failed(launch(2, str(PROGRAM), str(tmp_path), *options))


def test_the_death_of_a_rank_ends_all_ranks(launch: Launch, tmp_path: Path) -> None:
    err = failed(launch(2, str(PROGRAM), str(tmp_path), "die=rank1", "epochs=1000000"))
    assert re.search(r"rank 1 .*signal 9", " ".join(err.split()))


def test_a_sum_that_fails_ends_all_ranks(
    emulated: None, launch: Launch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN_FAIL", "1:5")
    err = failed(launch(2, str(PROGRAM), str(tmp_path), "epochs=1000"))
    assert re.search(r"convlet: rank \d: .*NCCL: a sum over the processes", " ".join(err.split()))


def test_ranks_with_other_versions_are_told_so(emulated: None, launch: Launch, tmp_path: Path) -> None:
    err = failed(launch(2, str(PROGRAM), str(tmp_path), "older=rank1"))
    assert (
        "fit: expected the same version of NCCL on all ranks, got 2.29.3 on rank 0 and 2.21.5 on rank 1"
        in err
    )


def test_a_version_that_is_too_old_is_refused(
    emulated: None, launch: Launch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN_VERSION", "2804")
    err = failed(launch(2, str(PROGRAM), str(tmp_path)))
    assert "NCCL cannot be used: expected version 2.13.0 or later, got 2.8.4" in err


def test_a_library_that_one_rank_lacks_is_told_by_all(launch: Launch, tmp_path: Path) -> None:
    err = failed(launch(2, str(PROGRAM), str(tmp_path), "missing=rank1"))
    assert "NCCL cannot be used: /nowhere/libnccl.so.2" in err
    assert 'pip install "convlet[nccl]"' in err


def test_the_command_trains_on_gpus(
    launch: Launch, train: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = ("--train-size", "64", "--epochs", "1", "--device", "cuda", "--distributed")
    outcome = launch(2, *train, *short, "--out", str(tmp_path / "run"), seconds=200)
    assert outcome.status == 0, outcome.err
    assert re.search(r"cuda, .*, 2 ranks, nccl", outcome.out)
    config = json.loads((tmp_path / "run" / "history.json").read_text())["config"]
    assert (config["device"], config["backend"], config["ranks"]) == ("cuda", "nccl", 2)


def test_without_a_library_the_command_says_it_in_one_line(
    launch: Launch, train: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONVLET_NCCL", "/nowhere/libnccl.so.2")
    outcome = launch(2, *train, "--device", "cuda", "--distributed", "--out", str(tmp_path / "run"))
    lines = [line for line in failed(outcome).splitlines() if line.startswith("convlet:")]
    assert len(lines) == 1
    assert lines[0].startswith("convlet: Trainer: NCCL cannot be used: /nowhere/libnccl.so.2")
