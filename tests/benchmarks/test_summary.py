"""The arithmetic of the summary: PyTorch's better layout counts, and losses are counted and listed."""

from __future__ import annotations

import importlib

import pytest


@pytest.fixture
def summary():
    return importlib.import_module("summary")


def cell(name: str, **rivals: float) -> dict:
    rows = [{"name": "convlet", "convlet_is_faster_by": {"median": 1.0}}]
    rows += [{"name": rival, "convlet_is_faster_by": {"median": value}} for rival, value in rivals.items()]
    return {"cell": name, "rows": rows}


def made(*ratios: float) -> list[dict]:
    return [cell(f"cell {n}", **{"PyTorch, NCHW": ratio}) for n, ratio in enumerate(ratios)]


def test_ratio_is_against_the_better_layout_and_nobody_else(summary):
    one = cell("a", **{"PyTorch, NCHW": 3.0, "PyTorch, channels_last": 2.0, "NumPy, plain loops": 0.5})
    assert summary.ratio(one) == 2.0
    assert summary.ratio(cell("b", **{"NumPy, plain loops": 9.0})) is None


def test_summary_counts_and_orders(summary):
    found = summary.summarize([*made(2.0, 0.5, 1.0, 0.9, 4.0, 0.67), cell("without PyTorch")])
    assert len(found.ratios) == 6
    assert found.median == pytest.approx(0.95)
    assert found.under(summary.LOST) == 3
    assert found.under(summary.BADLY_LOST) == 1
    assert [ratio for _, ratio in found.ratios] == [0.5, 0.67, 0.9, 1.0, 2.0, 4.0]


def test_every_lost_cell_is_listed(summary):
    text = summary.text("Convolutions", summary.summarize(made(*[0.5] * 25, *[2.0] * 5)))
    assert text.count("(lost)") == 25
    assert text.startswith("Convolutions, 30 cells: convlet is 0.50 times as fast as PyTorch")
    assert "Lost (under 1): 25 cells, of which 25 are under 0.67." in text
    assert summary.text("Convolutions", summary.summarize(made(*[2.0] * 30))).count("\n- ") == 10


def test_without_rival_there_is_no_summary(summary):
    assert summary.summarize([cell("a")]) is None


def test_unsteady_cells_are_those_whose_repetitions_differ_much(summary):
    def timed(*rates: float) -> dict:
        return {"cell": "a", "rows": [{"images_per_second": {"all": list(rates)}}]}

    assert not summary.is_unsteady(timed(100.0, 110.0, 149.0))
    assert summary.is_unsteady(timed(100.0, 110.0, 151.0))


def test_sweep_compares_with_the_best_size(summary):
    rows = [
        {"name": name, "images_per_second": {"median": rate}} for name, rate in (("16", 50.0), ("17", 25.0))
    ]
    assert summary.sweep({"rows": rows}) == [("16", 1.0), ("17", 2.0)]
