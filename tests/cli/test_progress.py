"""What a run shows while it goes on."""

from __future__ import annotations

import io
import re

import pytest

from convlet.cli.progress import Output, display
from convlet.history import Row
from convlet.trainer import Progress

ROW = Row(1, 2.25, 0.125, 2.0, 0.25, 1.0, 80_000.0)
LINE = "epoch 1/3  loss 2.250  train acc 0.125  test acc 0.250  80,000 images/s"
HALFWAY = Progress(epoch=1, images=500, train_loss=2.5, train_accuracy=0.1, images_per_second=79_000.0)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "60")  # narrower than the line of an epoch
    monkeypatch.setattr("sys.stdout", stream)
    with display(epochs=3, images=1000, output=Output()) as run:
        run.on_progress(HALFWAY)
        run.on_epoch(ROW)
    return stream.getvalue()


def test_a_file_gets_one_line_an_epoch_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(io.StringIO(), monkeypatch) == LINE + "\n"


def test_a_terminal_gets_the_lines_and_a_bar_with_loss_and_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    written = shown(Terminal(), monkeypatch)
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", written)
    assert LINE in plain.splitlines()
    assert re.search(r"epoch 1/3 .* 50% .*loss 2\.500  79,000", plain)
    assert written.rstrip().endswith("\x1b[2K")  # the bar is gone at the end
    assert "\x1b[?25h" in written  # and the cursor is back
