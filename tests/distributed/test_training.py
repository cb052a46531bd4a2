"""Several ranks end where one process ends: within float32's rounding, or with --exact to the bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import team_runs as cases
from mpi_launch import PROGRAM, Launch
from tolerances import assert_same_bits, assert_same_bits_by_name, relative_to_largest

Result = dict[str, NDArray[Any]]


def on_ranks(launch: Launch, folder: Path, ranks: int, *options: str) -> list[Result]:
    outcome = launch(ranks, str(PROGRAM), str(folder), *options)
    assert outcome.status == 0, outcome.err
    files = [np.load(folder / f"rank{rank}.npz") for rank in range(ranks)]
    return [{name: file[name] for name in file.files} for file in files]


def assert_same_on_all_ranks(results: list[Result]) -> None:
    for rank, result in enumerate(results):
        assert_same_bits_by_name(result, results[0], f"rank {rank}")


@pytest.mark.parametrize("ranks", [2, 4])
@pytest.mark.parametrize(
    "optimizer, loss", [("sgd", "plain"), ("momentum", "weighted"), ("adam", "plain"), ("sgd", "sum")]
)
def test_ranks_follow_one_process_for_100_steps(
    launch: Launch, tmp_path: Path, ranks: int, optimizer: str, loss: str
) -> None:
    one = cases.fit(cases.trainer(optimizer, loss))
    results = on_ranks(launch, tmp_path, ranks, f"optimizer={optimizer}", f"loss={loss}")
    assert_same_on_all_ranks(results)
    for name, expected in one.items():
        assert relative_to_largest(results[0][name], expected) < cases.ROUNDING[optimizer], name


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_exact_ranks_have_the_bits_of_one_process(launch: Launch, tmp_path: Path, ranks: int) -> None:
    one = cases.fit(cases.trainer("momentum", "weighted"))
    results = on_ranks(launch, tmp_path, ranks, "optimizer=momentum", "loss=weighted", "exact=1")
    for rank, result in enumerate(results):
        assert_same_bits_by_name(result, one, f"rank {rank}")


def test_a_run_goes_on_with_other_numbers_of_ranks(launch: Launch, tmp_path: Path) -> None:
    one = cases.fit(cases.trainer("adam", "plain"), epochs=6)
    on_ranks(launch, tmp_path, 2, "optimizer=adam", "exact=1", "epochs=2")
    on_ranks(launch, tmp_path, 4, "optimizer=adam", "exact=1", "epochs=4", "resume=1")
    results = on_ranks(launch, tmp_path, 1, "optimizer=adam", "exact=1", "epochs=6", "resume=1")
    assert_same_bits_by_name(results[0], one)


def test_one_rank_is_one_process_without_exact_too(launch: Launch, tmp_path: Path) -> None:
    one = cases.fit(cases.trainer("sgd", "plain"), epochs=2)
    assert_same_bits(on_ranks(launch, tmp_path, 1, "epochs=2")[0]["0.weight"], one["0.weight"])
