"""How nets, summaries and histories show themselves in a notebook."""

from __future__ import annotations

import sys
from html.parser import HTMLParser

import numpy as np
import pytest

from convlet import History, nn


class Cells(HTMLParser):
    """The text of a table's cells, row by row; tags that do not close are an error."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.caption = ""
        self.open: list[str] = []
        self.feed(html.partition("<svg")[0])

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1] == "caption":
            self.caption += data
        else:
            self.rows[-1][-1] += data


def history(epochs: int) -> History:
    row = {
        "train_loss": 0.5,
        "train_accuracy": 0.75,
        "test_loss": None,
        "test_accuracy": None,
        "seconds": 1.5,
        "images_per_second": 40_000.0,
    }
    return History({"epoch": epoch, **row} for epoch in range(1, epochs + 1))


def test_a_summary_is_the_table_that_it_prints():
    summary = nn.LeNet().summary((1, 28, 28))
    cells = Cells(summary._repr_html_())
    printed = [line.split() for line in str(summary).splitlines() if not line.startswith("-")]
    assert [" ".join(row).split() for row in cells.rows] == printed


def test_a_new_net_is_shown_for_the_smallest_square_that_it_takes():
    cells = Cells(nn.LeNet()._repr_html_())
    assert cells.caption == "LeNet, for images of (1, 28, 28), the smallest squares that it takes"
    assert cells.rows[2] == ["0", "Conv2d", "(6, 28, 28)", "156", "117,600"]
    assert cells.rows[-1] == ["", "total", "", "61,706", "416,520"]


def test_a_net_is_shown_for_the_images_that_it_saw_last():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
    assert Cells(net._repr_html_()).rows[1] == ["0", "Conv2d", "20"]  # any size will do: parameters only
    net(np.zeros((1, 1, 9, 7), np.float32))
    assert Cells(net._repr_html_()).caption == "Sequential, for images of (1, 9, 7)"
    assert Cells(net._repr_html_()).rows[2] == ["0", "Conv2d", "(2, 7, 5)", "20", "630"]


def test_dense_nets_say_how_many_numbers_they_take():
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    assert Cells(net._repr_html_()).rows[-2:] == [
        ["1", "Linear", "(10,)", "7,850", "7,840"],
        ["", "total", "", "7,850", "7,840"],
    ]


def test_a_net_that_takes_nothing_is_shown_all_the_same():
    broken = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(7, 10))
    assert Cells(broken._repr_html_()).rows[0] == ["", "layer", "parameters"]
    assert Cells(nn.Sequential()._repr_html_()).rows[-1] == ["", "total", "0"]


def test_names_are_escaped():
    html = nn.Sequential({"<script>&": nn.Conv2d(1, 2, 3)})._repr_html_()
    assert "&lt;script&gt;&amp;" in html
    assert "<script" not in html


def test_a_history_is_a_table_and_curves():
    pytest.importorskip("matplotlib")
    html = history(3)._repr_html_()
    assert Cells(html).rows[1] == ["1", "0.500", "0.750", "", "", "1.50", "40,000"]
    assert len(Cells(html.replace("</div>", "").replace("<div>", "")).rows) == 4
    assert html.count("<svg") == html.count("</svg>") == 1
    assert "<?xml" not in html


def test_a_history_without_matplotlib_is_a_table(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    html = history(3)._repr_html_()
    assert "<svg" not in html
    assert len(Cells(html).rows) == 4


def test_an_empty_history_says_so():
    assert Cells(History()._repr_html_()).caption == "no epochs yet"
