"""What the figures of a benchmark rest on: equality first, work in turn, the peak of this process."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from convlet import _core
from slower import SANITIZED


def effort(repetitions: int = 3):
    from measure import Effort

    return Effort(repetitions=repetitions, seconds=0.0, peak_seconds=0.001, threads=1)


def cell(*contenders, **options):
    from measure import Cell

    return Cell("a cell", list(contenders), "they agree", **options)


def test_contenders_run_in_turn():
    from measure import Contender, measure

    calls: list[str] = []
    measure(
        cell(*(Contender(name, lambda name=name: calls.append(name)) for name in "ABC")),
        effort(repetitions=4),
    )
    assert "".join(calls[-12:]) == "ABC" * 4


def test_a_row_counts_images_and_compares_within_a_repetition():
    from measure import Contender, measure

    rows = measure(
        cell(Contender("fast", lambda: None, 10), Contender("slow", lambda: sum(range(9999)), 2)), effort()
    )
    fast, slow = rows["rows"]
    assert (
        fast["images_per_second"]["min"]
        <= fast["images_per_second"]["median"]
        <= fast["images_per_second"]["max"]
    )
    expected = sorted(
        a / b for a, b in zip(fast["images_per_second"]["all"], slow["images_per_second"]["all"], strict=True)
    )
    ratio = slow["convlet_is_faster_by"]
    assert [ratio["min"], ratio["median"], ratio["max"]] == expected
    assert fast["convlet_is_faster_by"] == {"median": 1.0, "min": 1.0, "max": 1.0}


def test_share_of_peak_follows_from_the_work_of_an_image():
    from measure import Contender, measure

    done = measure(cell(Contender("one", lambda: None), flop=2e3, traffic_bytes=500.0), effort())
    rate, row = done["rows"][0]["images_per_second"]["median"], done["rows"][0]
    assert row["gflops"]["median"] == pytest.approx(rate * 2e3 / 1e9)
    assert row["gigabytes_per_second"]["median"] == pytest.approx(rate * 500 / 1e9)
    assert row["share_of_peak"]["max"] == pytest.approx(row["gflops"]["max"] / done["peak_gflops"]["max"])


def test_contender_is_prepared_outside_the_clock_before_each_repetition():
    from measure import Contender, measure

    calls: list[str] = []
    measure(
        cell(Contender("A", lambda: calls.append("run"), prepare=lambda: calls.append("prepare"))),
        effort(repetitions=2),
    )
    assert "".join(call[0] for call in calls[-4:]) == "prpr"


@pytest.mark.skipif(SANITIZED, reason="a sanitizer has memory of its own")
def test_added_memory_is_that_of_the_results():
    from memory import added_bytes

    kept = []
    added = added_bytes(lambda: kept.append(np.ones(2**23, np.uint8)))
    if added is None:
        pytest.skip("this system does not tell the peak of a process's memory anew")
    assert 2**23 <= added + 2**20 <= 2**24


def test_stream_bandwidth_is_a_rate_with_its_spread():
    from machine import stream_bandwidth

    rate = stream_bandwidth(threads=2, repetitions=3, size=1 << 20)
    assert 0.01 < rate["min"] <= rate["median"] <= rate["max"]


@pytest.mark.parametrize(
    "got, complaint",
    [
        ([1.0, 2.001], "differs by 0.0005 of the largest value, allowed 0.0001"),
        ([1.0, np.nan], "differs by nan"),
        ([1.0], "expected shape (2,), got (1,)"),
    ],
)
def test_a_planted_difference_is_an_error(got: list[float], complaint: str):
    from measure import NotEqualError, check_equal

    assert check_equal("loss", [1.0, 2.0001], [1.0, 2.0], 1e-4) == pytest.approx(5e-5)
    with pytest.raises(NotEqualError, match=f"loss: {re.escape(complaint)}"):
        check_equal("loss", got, [1.0, 2.0], 1e-4)


def test_report_names_a_loss_as_a_loss():
    import report
    from measure import Contender, measure

    done = measure(
        cell(Contender("convlet", lambda: sum(range(99999))), Contender("rival", lambda: None)), effort()
    )
    line = next(line for line in report.table(done).splitlines() if line.startswith("| rival"))
    assert "] (lost) |" in line


def test_machine_record_is_plain_data_with_code_and_versions():
    from machine import machine

    record = json.loads(json.dumps(machine(2)))
    assert record["isa"] == _core.isa()
    assert record["threads"] == 2
    assert record["versions"]["numpy"] == np.__version__
    assert re.fullmatch(r"unknown|[0-9a-f]{40}(-modified)?", record["commit"])


def test_peak_is_measured_for_every_instruction_set(isa: str):
    assert _core.fma_peak(threads=1, seconds=0.001) > 0.1


@pytest.mark.parametrize("members, seconds", [(0, 0.1), (1025, 0.1), (1, 0.0), (1, float("nan")), (1, 61.0)])
def test_peak_refuses_what_it_cannot_measure(members: int, seconds: float):
    with pytest.raises(
        ValueError, match="fma_peak: expected (threads in 1..1024|seconds over 0 and up to 60), got"
    ):
        _core.fma_peak(members, seconds)
