"""The model of scaling against numbers worked out by hand, and the script on this machine."""

from __future__ import annotations

import importlib
import json
import math
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from mpi_launch import mpiexec_path

ROOT = Path(__file__).parents[2]


@pytest.fixture
def model() -> ModuleType:
    return importlib.import_module("scaling_model")


def test_allreduce_takes_the_cheapest_of_three_ways(model: ModuleType) -> None:
    link = model.Link("link", 1e-5, 1e-9)
    assert link.allreduce(1, 1e6) == 0.0
    assert link.allreduce(2, 4) == pytest.approx(1e-5 + 4e-9)  # one exchange
    assert link.allreduce(8, 4) == pytest.approx(3 * (1e-5 + 4e-9))  # three rounds of everything
    assert link.allreduce(8, 1e8) == pytest.approx(6 * 1e-5 + 2 * 7 / 8 * 0.1)  # six rounds of parts
    assert link.allreduce(3, 1e9) == pytest.approx(4 * 1e-5 + 2 * 2 / 3 * 1.0)
    assert link.megabits_per_second == pytest.approx(8000)


def test_a_step_shares_out_whole_tiles_and_nothing_else(model: ModuleType) -> None:
    free = model.Link("free", 0.0, 0.0)
    step = model.Step(parameters=61706, fixed_seconds=1e-3, tile_seconds=2e-4)
    assert step.message_bytes == 4 * 61709
    assert step.seconds(256, 1, free) == pytest.approx(1e-3 + 16 * 2e-4)
    assert step.seconds(256, 3, free) == pytest.approx(1e-3 + 6 * 2e-4)  # the longest share
    assert step.seconds(250, 16, free) == step.seconds(250, 1024, free) == pytest.approx(1.2e-3)
    assert step.speedup(256, 16, free) == pytest.approx(4.2e-3 / 1.2e-3)
    assert step.efficiency(256, 1024, free) == pytest.approx(1.0)
    slow = model.Link("slow", 1e-3, 0.0)
    assert step.efficiency(256, 4, slow) == pytest.approx(4.2 / (4.2 + 2.0))


def test_the_smallest_batch_that_pays_is_the_first_that_does(model: ModuleType) -> None:
    step = model.Step(parameters=1000, fixed_seconds=1e-4, tile_seconds=1e-4)
    link = model.Link("link", 5e-4, 0.0)
    batch = step.smallest_batch(4, link, 0.5)
    assert batch is not None
    assert step.speedup(batch, 4, link) >= 2 > step.speedup(batch // 2, 4, link)
    never = model.Step(parameters=1000, fixed_seconds=1e3, tile_seconds=1e-9)
    assert never.smallest_batch(4, link, 0.5) is None


def test_fits_find_the_numbers_that_made_the_times(model: ModuleType) -> None:
    sizes = [4, 1024, 65536, 1 << 20]
    link, error = model.fit_link("link", sizes, [2e-5 + size / 1e9 for size in sizes])
    assert link.alpha_seconds == pytest.approx(2e-5)
    assert link.beta_seconds == pytest.approx(1e-9)
    assert error < 1e-9
    step, error = model.fit_step(10, [64, 256, 1000], [1e-3 + t * 3e-4 for t in (4, 16, 63)])
    assert (step.fixed_seconds, step.tile_seconds) == pytest.approx((1e-3, 3e-4))
    assert error < 1e-9


def test_fits_give_no_negative_times_and_tell_how_far_off_they_are(model: ModuleType) -> None:
    assert model.fit_line([1, 2, 3], [1.0, 3.0, 5.0])[0] == 0.0  # the best line starts at -1
    assert model.fit_line([1, 2, 3], [3.0, 2.0, 1.0])[1] == 0.0
    assert model.fit_line([1, 1], [1.0, 2.0])[2] > 0.3


def test_the_reports_sentences_come_from_the_figures() -> None:
    report = importlib.import_module("scaling_report")
    for net in (0.0, 1e-3):
        result = results(alpha=1e-6 if net == 0.0 else 1.0)
        text = report.markdown(result)
        assert "| LeNet | 256 | 4.2 ms | 2.6 ms | 1.62 | 100% | 90% | 2.6 ms |" in text
        assert "cable was left out: needs root." in text
        assert ("slower than one rank" in text) == (net > 0)


def test_the_report_goes_between_the_marks_of_a_page(tmp_path: Path) -> None:
    report = importlib.import_module("scaling_report")
    page = tmp_path / "page.md"
    page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    report.insert(page, "new")
    assert page.read_text() == f"before\n{report.BEGIN}\nnew\n{report.END}\nafter\n"
    page.write_text("no marks")
    with pytest.raises(ValueError, match="expected the marks"):
        report.insert(page, "new")


def test_the_page_shows_the_results_that_are_kept() -> None:
    report = importlib.import_module("scaling_report")
    page = (ROOT / "docs" / "scaling.md").read_text()
    files = list((ROOT / "benchmarks" / "results").glob("scaling-*.json"))
    if not files:
        pytest.skip("results are no part of the source distribution")
    (file,) = files
    shown = page.partition(report.BEGIN)[2].partition(report.END)[0].strip()
    assert shown == report.markdown(json.loads(file.read_text()))


@pytest.mark.slow
def test_the_script_measures_one_and_two_ranks(tmp_path: Path) -> None:
    pytest.importorskip("mpi4py", reason='needs mpi4py: pip install "convlet[mpi]"')
    if mpiexec_path() is None:
        pytest.skip('needs mpiexec: pip install "convlet[mpi]"')
    out = tmp_path / "scaling.json"
    command = [sys.executable, str(ROOT / "benchmarks" / "scaling.py"), "--quick", "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    result = json.loads(out.read_text())
    memory, *cables = result["links"]
    assert [step["batch"] for step in memory["steps"]] == [64, 256]
    for link in (memory, *(cable for cable in cables if "skipped" not in cable)):
        assert link["alpha_seconds"] >= 0
        assert math.isfinite(link["beta_seconds"])
        assert all(step["seconds"]["median"] > 0 for step in link["steps"])
    assert len(cables) == 2
    assert "LeNet's step of 256 images takes one thread" in done.stdout


def results(alpha: float) -> dict[str, Any]:
    """Of one net, one link, and one that was left out."""

    def seconds(value: float) -> dict[str, float]:
        return {"median": value, "min": value, "max": value}

    return {
        "machine": {
            "cpus": 2,
            "cpu": "a CPU",
            "isa": "avx2",
            "commit": "0" * 40,
            "date": "today",
            "load_average": None,
        },
        "alone": [{"net": "LeNet", "batch": 256, "seconds": seconds(4.2e-3)}],
        "two_threads": [{"net": "LeNet", "batch": 256, "seconds": seconds(2.34e-3)}],
        "nets": [
            {
                "name": "LeNet",
                "parameters": 61706,
                "fixed_seconds": 1e-3,
                "tile_seconds": 2e-4,
                "fit_error": 0.0,
            }
        ],
        "links": [
            {
                "name": "memory",
                "alpha_seconds": alpha,
                "beta_seconds": 1e-12,
                "fit_error": 0.1,
                "steps": [
                    {"net": "LeNet", "batch": 256, "seconds": seconds(2.6e-3), "model_seconds": 2.6e-3}
                ],
            },
            {"name": "cable", "skipped": "needs root"},
        ],
        "assumed_links": [],
        "ranks": [2, 4, 1024],
    }
