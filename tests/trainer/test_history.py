"""The rows of a run: attributes and items, the line on the terminal, the JSON file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from convlet.history import History, Row

ARTICLE = {
    "epoch": 10,
    "train_loss": 0.4581,
    "train_accuracy": 0.8271,
    "test_loss": 0.4702,
    "test_accuracy": 0.8229,
    "seconds": 0.75,
    "images_per_second": 80_000.4,
}


def test_a_row_reads_as_attributes_as_items_and_as_a_dict() -> None:
    row = Row(**ARTICLE)
    assert row.test_accuracy == row["test_accuracy"] == 0.8229
    assert dict(row) == ARTICLE
    assert row == ARTICLE
    assert list(row) == list(ARTICLE)
    assert len(row) == 7
    with pytest.raises(KeyError, match="accuracy"):
        row["accuracy"]


def test_the_line_of_an_epoch_is_the_articles() -> None:
    assert Row(**ARTICLE).line(10) == (
        "epoch 10/10  loss 0.458  train acc 0.827  test acc 0.823  80,000 images/s"
    )
    first = Row(**{**ARTICLE, "epoch": 1, "test_loss": None, "test_accuracy": None})
    assert first.line(10) == "epoch  1/10  loss 0.458  train acc 0.827  80,000 images/s"


def test_a_history_is_a_list_of_rows() -> None:
    history = History([ARTICLE], config={"seed": 0}, total_seconds=8.5)
    history.append(Row(**{**ARTICLE, "epoch": 11}))
    assert isinstance(history, list)
    assert [row.epoch for row in history] == [10, 11]
    assert history[-1]["epoch"] == 11


def test_the_file_is_config_epochs_and_total_seconds(tmp_path: Path) -> None:
    history = History([ARTICLE], config={"seed": 0, "lr": 0.9}, total_seconds=8.5)
    history.save(tmp_path / "history.json")
    content = json.loads((tmp_path / "history.json").read_text())
    assert content == {"config": {"seed": 0, "lr": 0.9}, "epochs": [ARTICLE], "total_seconds": 8.5}
    back = History.load(tmp_path / "history.json")
    assert back == history
    assert (back.config, back.total_seconds) == (history.config, history.total_seconds)


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"epochs": []}', '{"config": {}, "epochs": [{"epoch": 1}], "total_seconds": 1}'],
)
def test_a_file_that_is_no_history_is_a_value_error_that_names_it(tmp_path: Path, content: str) -> None:
    (tmp_path / "bad.json").write_text(content)
    with pytest.raises(ValueError, match=r"bad\.json: expected a history"):
        History.load(tmp_path / "bad.json")
