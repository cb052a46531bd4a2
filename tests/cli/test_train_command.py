"""``convlet train``: its files, its lines, its settings, and how it goes on."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from convlet import checkpoint, datasets
from convlet.cli import main
from tolerances import assert_same_bits_by_name

WITHIN_SECONDS = 0.2
FILES = ["checkpoint.safetensors", "curves.png", "history.json", "weights.safetensors"]


@pytest.fixture
def train(data_dir: Path, tmp_path: Path) -> Any:
    """Run ``convlet train`` on the small data; its exit status."""

    def run(*options: object, out: Path | None = None) -> int:
        where = ["--data", "mnist", "--data-dir", data_dir, "--out", out or tmp_path / "run"]
        return main(["train", *map(str, (*where, *options))])

    return run


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def config(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "history.json").read_text())["config"])


def test_a_run_writes_its_four_files_and_a_line_an_epoch(
    train: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    assert train("--epochs", 3, "--threads", 2) == 0
    folder = tmp_path / "run"
    assert names(folder) == FILES
    head, *epochs, end = capsys.readouterr().out.splitlines()
    assert head.startswith(
        "LeNet, 61,706 parameters; mnist, 600 images to train on and 200 to test with; cpu, 2"
    )
    content = json.loads((folder / "history.json").read_text())
    assert list(content) == ["config", "epochs", "total_seconds"]
    for line, row in zip(epochs, content["epochs"], strict=True):
        assert line == (
            f"epoch {row['epoch']}/3  loss {row['train_loss']:.3f}  train acc {row['train_accuracy']:.3f}  "
            f"test acc {row['test_accuracy']:.3f}  {row['images_per_second']:,.0f} images/s"
        )
    assert end.endswith(f"in {folder}")
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_the_weights_are_those_of_the_last_row(train: Any, tmp_path: Path, data_dir: Path) -> None:
    assert train("--epochs", 1) == 0
    saved = checkpoint.load_net(tmp_path / "run" / "weights.safetensors")
    test = datasets.MNIST(data_dir, train=False)
    row = json.loads((tmp_path / "run" / "history.json").read_text())["epochs"][-1]
    assert saved.net.evaluate(test.images, test.labels) == pytest.approx(
        (row["test_loss"], row["test_accuracy"])
    )
    assert (saved.input_shape, saved.classes) == ((1, 28, 28), tuple("0123456789"))
    assert saved.notes == {"data": "mnist", "background": "dark", "prepare": "digit"}


def test_the_recipe_gives_what_no_option_says(train: Any, tmp_path: Path) -> None:
    assert train("--epochs", 1) == 0
    found = config(tmp_path / "run")
    assert (found["recipe"], found["batch_size"], found["lr"], found["seed"]) == ("d2l", 256, 0.9, 0)
    assert train("--recipe", "d2l-new", "--epochs", 1, "--seed", 7, "--lr", 0.25, "--train-size", 300) == 0
    found = config(tmp_path / "run")
    assert (found["recipe"], found["batch_size"], found["lr"], found["seed"]) == ("d2l-new", 128, 0.25, 7)
    assert found["images"] == [300, 1, 28, 28]
    assert found["optimizer"]["lr"] == 0.25


def figures(folder: Path) -> list[dict[str, Any]]:
    """The rows without their times."""
    rows = json.loads((folder / "history.json").read_text())["epochs"]
    return [{k: v for k, v in row.items() if k not in ("seconds", "images_per_second")} for row in rows]


def assert_same_run(one: Path, two: Path) -> None:
    weights = [checkpoint.load_weights(folder / "weights.safetensors")[0] for folder in (one, two)]
    assert_same_bits_by_name(*weights)
    assert figures(one) == figures(two)


def test_a_run_that_was_made_longer_equals_a_long_one(train: Any, tmp_path: Path) -> None:
    long, short = tmp_path / "long", tmp_path / "short"
    assert train("--epochs", 3, out=long) == 0
    assert train("--epochs", 1, out=short) == 0
    for epochs in ("2", "3", "3"):
        assert main(["train", "--resume", "--out", str(short), "--epochs", epochs]) == 0
    assert_same_run(short, long)


@pytest.mark.parametrize(
    "option", [("--lr", "0.5"), ("--seed", "1"), ("--batch-size", "32"), ("--data", "digits")]
)
def test_a_run_goes_on_with_its_own_settings_only(
    train: Any, tmp_path: Path, option: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("--epochs", 1) == 0
    assert main(["train", "--resume", "--out", str(tmp_path / "run"), *option]) == 2
    assert f"{' '.join(option)}: the run in {tmp_path / 'run'} has {option[0]}" in capsys.readouterr().err


def test_images_are_changed_at_random_if_asked_for(
    train: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changes = ("--augment", "shift=2,rotation=10,flip,erase=6")
    short, long, plain = tmp_path / "short", tmp_path / "long", tmp_path / "plain"
    assert train("--epochs", 2, *changes, out=long) == 0
    assert train("--epochs", 1, *changes, out=short) == 0
    assert main(["train", "--resume", "--out", str(short), "--epochs", "2"]) == 0
    assert_same_run(short, long)
    assert config(short)["augment"] == {"shift": 2, "flip": True, "rotation": 10.0, "erase": 6}
    assert train("--epochs", 2, out=plain) == 0
    assert figures(plain) != figures(long)
    capsys.readouterr()
    assert main(["train", "--resume", "--out", str(short), "--augment", "flip"]) == 2
    assert "--augment" in capsys.readouterr().err


@pytest.mark.parametrize(
    "changes", ["", "turn=3", "flip=1", "shift", "shift=1,shift=2", "rotation=190", "shift=-1"]
)
def test_changes_that_are_none_are_bad_usage(
    train: Any, changes: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("--augment", changes) == 2
    assert "--augment" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_without_matplotlib_there_is_no_picture_and_one_line_says_so(
    train: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert train("--epochs", 1) == 0
    assert names(tmp_path / "run") == [name for name in FILES if name != "curves.png"]
    assert 'no curves.png: curves: needs matplotlib; pip install "convlet[plots]"' in capsys.readouterr().out


def test_without_out_the_files_go_to_a_new_folder_of_runs(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert main(["train", "--data", "mnist", "--data-dir", str(data_dir), "--epochs", "1"]) == 0
    folders = [path.name for path in (tmp_path / "runs").iterdir()]
    assert len(folders) == 2
    assert all(re.fullmatch(r"\d{8}-\d{6}-mnist(-2)?", name) for name in folders)


def test_pictures_in_folders_are_trained_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = pytest.importorskip("PIL.Image")
    digits = datasets.Digits(size=40)
    for n, (picture, label) in enumerate(digits[:40]):
        if label < 3:
            (tmp_path / "pictures" / "abc"[label]).mkdir(parents=True, exist_ok=True)
            image.fromarray(picture[0]).resize((40, 30)).save(
                tmp_path / "pictures" / "abc"[label] / f"{n}.png"
            )
    options = ["--data", str(tmp_path / "pictures"), "--epochs", "1", "--out", str(tmp_path / "run")]
    assert main(["train", *options]) == 0
    assert checkpoint.load_net(tmp_path / "run" / "weights.safetensors").classes == ("a", "b", "c")
    capsys.readouterr()
    assert main(["evaluate", str(tmp_path / "run" / "weights.safetensors")]) == 0
    assert capsys.readouterr().out.startswith("pictures  loss ")


def test_a_folder_that_cannot_be_written_is_told_before_the_training(
    train: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert train(out=tmp_path / "file" / "run") == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"convlet: cannot write to {tmp_path / 'file' / 'run'}: Not a directory\n"


@pytest.mark.parametrize("failing", ["replace", "fsync"])
def test_a_disk_that_fills_up_is_told_in_one_line_and_keeps_the_last_checkpoint(
    train: Any,
    tmp_path: Path,
    failing: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert train("--epochs", 1) == 0
    before = {name: (tmp_path / "run" / name).read_bytes() for name in names(tmp_path / "run")}
    capsys.readouterr()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, failing, full)
    assert main(["train", "--resume", "--out", str(tmp_path / "run"), "--epochs", "2"]) == 1
    path = tmp_path / "run" / "checkpoint.safetensors"
    assert capsys.readouterr().err == f"convlet: cannot write {path}: No space left on device\n"
    assert {name: (tmp_path / "run" / name).read_bytes() for name in names(tmp_path / "run")} == before


def test_ctrl_c_leaves_status_130_and_a_checkpoint_that_goes_on_to_the_same_bits(
    train: Any, tmp_path: Path, data_dir: Path
) -> None:
    stopped, whole = tmp_path / "stopped", tmp_path / "whole"
    command = [sys.executable, "-m", "convlet", "train", "--data", "mnist", "--data-dir", str(data_dir)]
    command += ["--out", str(stopped), "--epochs", "100000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while not process.stdout.readline().startswith("epoch"):
            pass
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        sent = time.monotonic()
        _, told = process.communicate(timeout=30)
        seconds = time.monotonic() - sent
    assert process.returncode == 130
    assert seconds < WITHIN_SECONDS
    assert told.strip().splitlines()[-1] == f"interrupted; to go on: convlet train --resume --out {stopped}"
    assert names(stopped) == ["checkpoint.safetensors"]
    epochs = checkpoint.load_checkpoint(stopped / "checkpoint.safetensors").epoch + 1
    assert main(["train", "--resume", "--out", str(stopped), "--epochs", str(epochs)]) == 0
    assert train("--epochs", epochs, out=whole) == 0
    assert_same_run(stopped, whole)
