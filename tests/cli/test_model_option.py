"""``convlet train --model FILE``: other nets than LeNet, through all commands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from convlet import checkpoint
from convlet.cli import main
from tolerances import assert_same_bits_by_name

SMALL = """
initialize = "kaiming_uniform"

[[layers]]
kind = "Conv2d"
out_channels = 4
kernel_size = 5
stride = 2

[[layers]]
kind = "ReLU"

[[layers]]
kind = "Flatten"

[[layers]]
kind = "Linear"
"""
PROGRAM = """
from convlet import nn

def build(input_shape, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 16), nn.Tanh(), nn.Linear(16, classes))
"""


@pytest.fixture
def train(data_dir: Path, tmp_path: Path) -> Any:
    """Run ``convlet train --model`` on the small data with a model of that text; its exit status."""

    def run(text: str, ending: str, *options: object, out: str = "run") -> int:
        (tmp_path / f"small.{ending}").write_text(text)
        where = ["--data", "mnist", "--data-dir", data_dir, "--out", tmp_path / out, "--lr", 0.1]
        return main(["train", "--model", *map(str, (tmp_path / f"small.{ending}", *where, *options))])

    return run


@pytest.mark.parametrize("text, ending, layers", [(SMALL, "toml", 4), (PROGRAM, "py", 4)])
def test_the_other_commands_rebuild_the_net_without_its_file(
    train: Any, tmp_path: Path, text: str, ending: str, layers: int, capsys: pytest.CaptureFixture[str]
) -> None:
    image = pytest.importorskip("PIL.Image")
    pytest.importorskip("onnx")
    assert train(text, ending, "--epochs", 2) == 0
    assert capsys.readouterr().out.startswith(f"small.{ending}, ")
    (tmp_path / f"small.{ending}").unlink()
    weights = str(tmp_path / "run" / "weights.safetensors")
    saved = checkpoint.load_net(weights)
    assert len(saved.net) == layers
    assert main(["evaluate", weights, "--data", "digits"]) == 0
    picture = image.new("L", (28, 28))
    picture.paste(255, (12, 4, 16, 24))
    picture.save(tmp_path / "picture.png")
    assert main(["predict", weights, str(tmp_path / "picture.png")]) == 0
    assert main(["export", weights, "--onnx", str(tmp_path / "net.onnx")]) == 0
    assert (tmp_path / "net.onnx").stat().st_size > 100


def test_evaluate_gives_the_figures_of_the_last_epoch(
    train: Any, tmp_path: Path, data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(SMALL, "toml", "--epochs", 3) == 0
    row = json.loads((tmp_path / "run" / "history.json").read_text())["epochs"][-1]
    capsys.readouterr()
    assert main(["evaluate", str(tmp_path / "run" / "weights.safetensors"), "--data-dir", str(data_dir)]) == 0
    told = f"mnist  loss {row['test_loss']:.3f}  test acc {row['test_accuracy']:.3f}"
    assert capsys.readouterr().out.startswith(told)


@pytest.mark.parametrize("text, ending", [(SMALL, "toml"), (PROGRAM, "py")])
def test_a_run_goes_on_without_its_file(train: Any, tmp_path: Path, text: str, ending: str) -> None:
    assert train(text, ending, "--epochs", 3, out="long") == 0
    assert train(text, ending, "--epochs", 1, out="short") == 0
    (tmp_path / f"small.{ending}").unlink()
    assert main(["train", "--resume", "--out", str(tmp_path / "short"), "--epochs", "3"]) == 0
    weights = [
        checkpoint.load_weights(tmp_path / run / "weights.safetensors")[0] for run in ("long", "short")
    ]
    assert_same_bits_by_name(*weights)


def test_a_run_keeps_its_net(train: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(SMALL, "toml", "--epochs", 1) == 0
    other = tmp_path / "other.toml"
    other.write_text(SMALL)
    options = ["--resume", "--out", str(tmp_path / "run"), "--model", str(other)]
    assert main(["train", *options]) == 2
    assert f"--model {other}: the run in" in capsys.readouterr().err


def test_a_wrong_description_is_told_in_one_line_before_anything_is_written(
    train: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(SMALL.replace("stride", "strides"), "toml", "--epochs", 1) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(
        f"convlet: {tmp_path / 'small.toml'}, line 4, layer 1 (Conv2d): expected options among in_channels, "
    )
    assert err.count("\n") == 1
    assert not (tmp_path / "run" / "checkpoint.safetensors").exists()


def test_a_program_that_fails_is_told_of_in_one_line(train: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert train("x = 1\nnet = foo\n", "py") == 1
    err = capsys.readouterr().err
    assert err.endswith("small.py, line 2: NameError: name 'foo' is not defined\n")
    assert err.count("\n") == 1


def test_a_net_for_other_images_is_refused(train: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert train("input = [3, 32, 32]\n" + SMALL, "toml") == 1
    assert (
        "expected a net for images of (1, 28, 28), as mnist has, got one for (3, 32, 32)"
        in capsys.readouterr().err
    )


def test_the_help_says_that_a_program_is_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "FILE.py is a program of yours that defines net or build(), and is RUN" in text


def test_the_doctor_speaks_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lenet = tmp_path / "lenet.toml"
    layer = '[[layers]]\nkind = "{}"\n{}'
    lines = ['initialize = "pytorch"\n']
    for channels in (6, 16):
        lines.append(layer.format("Conv2d", f"out_channels = {channels}\nkernel_size = 5\n"))
        lines += [layer.format("Sigmoid", ""), layer.format("AvgPool2d", "kernel_size = 2\n")]
    lines.append(layer.format("Flatten", ""))
    for features in (120, 84):
        lines += [layer.format("Linear", f"out_features = {features}\n"), layer.format("Sigmoid", "")]
    lenet.write_text("".join([*lines, layer.format("Linear", "")]))
    options = ["--epochs", "2", "--train-size", "40000", "--out", str(tmp_path / "run")]
    assert main(["train", "--model", str(lenet), *options]) == 0
    out, err = capsys.readouterr()
    assert err.count("the net does not learn: loss 2.30") == 1
    assert "the net does not learn" not in out
