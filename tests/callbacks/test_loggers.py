"""The figures of a run in the files of other programs."""

from __future__ import annotations

import csv
import struct
import sys
from pathlib import Path
from typing import Any

import pytest

from convlet.callbacks import CSVLogger, TensorBoardLogger


def test_the_table_has_a_line_an_epoch_also_of_a_run_that_went_on(
    train: Any, trainer_of: Any, tmp_path: Path
) -> None:
    path = tmp_path / "new" / "run.csv"
    first, trainer = trainer_of(), trainer_of()
    first.fit(train, epochs=1)
    history = trainer.fit(train, epochs=3, resume=first.checkpoint(), callbacks=[CSVLogger(path)])
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [{name: float(value) for name, value in row.items() if value} for row in rows] == [
        {name: value for name, value in row.items() if value is not None} for row in history
    ]
    assert list(rows[0]) == list(history[0])
    assert rows[0]["test_loss"] == ""


def test_a_run_that_goes_on_writes_the_row_that_a_kill_left_unwritten(
    train: Any, trainer_of: Any, tmp_path: Path
) -> None:
    path, first, second = tmp_path / "run.csv", trainer_of(), trainer_of()
    first.fit(train, epochs=2)
    second.fit(train, epochs=2, resume=first.checkpoint(), callbacks=[CSVLogger(path)])
    assert len(path.read_text().splitlines()) == 3


def test_a_folder_that_cannot_be_made_is_told_before_the_training(
    train: Any, trainer_of: Any, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    trainer = trainer_of()
    with pytest.raises(OSError, match="cannot write to"):
        trainer.fit(train, callbacks=[CSVLogger(tmp_path / "file" / "run.csv")])
    assert len(trainer.history) == 0


def test_tensorboard_finds_every_figure_of_every_epoch(train: Any, trainer_of: Any, tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    from tensorboardX.proto.event_pb2 import Event

    history = trainer_of().fit(train, 0.25, epochs=3, callbacks=[TensorBoardLogger(tmp_path / "board")])
    (path,) = (tmp_path / "board").iterdir()
    data, start, found = path.read_bytes(), 0, {}
    while start < len(data):  # records of TensorFlow: length, its checksum, the event, its checksum
        (size,) = struct.unpack_from("<Q", data, start)
        event = Event.FromString(data[start + 12 : start + 12 + size])
        found |= {(value.tag, event.step): value.simple_value for value in event.summary.value}
        start += 16 + size
    for row in history:
        for tag, figure in (("loss/train", row.train_loss), ("accuracy/test", row.test_accuracy)):
            assert found[tag, row.epoch] == pytest.approx(figure)
    assert len(found) == 3 * 5


def test_tensorboards_full_disk_is_named_and_the_history_stays(
    train: Any, trainer_of: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = pytest.importorskip("tensorboardX.event_file_writer")

    def full(_: object) -> None:
        raise OSError(28, "No space left on device")

    trainer, flush = trainer_of(), writer.EventFileWriter.flush
    monkeypatch.setattr(writer.EventFileWriter, "flush", full)
    with pytest.raises(OSError, match=r"cannot write to .*board: No space left on device"):
        trainer.fit(train, 0.25, epochs=3, callbacks=[TensorBoardLogger(tmp_path / "board")])
    monkeypatch.setattr(writer.EventFileWriter, "flush", flush)
    assert len(trainer.history) == 1


def test_without_tensorboard_a_sentence_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ImportError, match=r'needs tensorboardX; pip install "convlet\[tensorboard\]"'):
        TensorBoardLogger(tmp_path)
