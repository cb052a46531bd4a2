"""Every benchmark runs in its quick form, and none times contenders that do not agree."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


def start(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def quick(script: str, out: Path, *arguments: str) -> dict:
    done = start(FOLDER / script, "--quick", "--threads", "1", *arguments, "--out", out)
    assert done.returncode == 0, done.stderr
    return json.loads(out.read_text())


@pytest.mark.parametrize("suite, cells", [("train", 1), ("infer", 2), ("ops", 14)])
def test_suite_runs_in_its_quick_form_and_is_reported(suite: str, cells: int, tmp_path: Path):
    out = tmp_path / "figures.json"
    result = quick("run.py", out, "--suite", suite, "--against", "numpy")
    assert result["suite"] == suite
    assert len(result["cells"]) == cells
    for cell in result["cells"]:
        assert cell["rows"][0]["name"] == "convlet"
        assert all(len(row["images_per_second"]["all"]) == 2 for row in cell["rows"])
    report = start(FOLDER / "report.py", out, "--plots", tmp_path)
    assert report.returncode == 0, report.stderr
    assert report.stdout.count("\n| convlet |") == cells
    assert (tmp_path / f"{suite}.svg").exists()


@pytest.mark.parametrize("script", ["train_lenet.py", "infer.py", "ops.py"])
@pytest.mark.torch
def test_suite_measures_torch(script: str, tmp_path: Path):
    pytest.importorskip("torch")
    result = quick(script, tmp_path / "figures.json", "--against", "torch")
    assert all(any("PyTorch" in row["name"] for row in cell["rows"]) for cell in result["cells"])


@pytest.mark.skipif(find_spec("onnxruntime") is not None, reason="ONNX Runtime is installed")
def test_missing_rival_is_named_with_the_reason(tmp_path: Path):
    result = quick("infer.py", tmp_path / "figures.json", "--against", "onnxruntime")
    assert result["cells"][0]["skipped"] == {"onnxruntime": "ONNX Runtime is not installed"}


def test_unknown_rival_is_refused():
    done = start(FOLDER / "run.py", "--against", "numpy,abacus")
    assert done.returncode == 2
    assert "expected names of numpy, torch, torch-compile, onnxruntime, got abacus" in done.stderr


def test_training_with_a_planted_difference_is_not_timed(capsys: pytest.CaptureFixture[str]):
    """One bias of the rival is changed by a tenth."""
    train_lenet, suite = importlib.import_module("train_lenet"), importlib.import_module("suite")
    genuine = train_lenet.NumpyLeNet

    def planted(layers, state):
        state = {name: array.copy() for name, array in state.items()}
        state["11.bias"][0] += 0.1
        return genuine(layers, state)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train_lenet, "NumpyLeNet", planted)
        status = suite.main(
            "train", train_lenet.cells, None, ["--quick", "--threads", "1", "--against", "numpy"]
        )
    captured = capsys.readouterr()
    assert status == 1
    assert "not equal, so not timed: NumPy, im2col with BLAS, batch 256: loss of step" in captured.err
    assert "| convlet |" not in captured.out


@pytest.mark.parametrize("way", ["forward", "backward"])
def test_op_with_a_planted_difference_is_not_equal(way: str):
    """One number of the rival's weight is changed in the third digit."""
    ops, measure = importlib.import_module("ops"), importlib.import_module("measure")
    layer = next(layer for layer in ops.LAYERS if layer.kind == "conv2d")
    operands = ops.draw(layer, 3)
    expected = ops.convlet_run(layer, way, operands)()
    assert ops.prove_equal(way, ops.numpy_run(ops.IM2COL, layer, way, operands)(), expected) <= ops.LIMIT
    operands.w[0, 0, 0, 0] += np.float32(0.002)
    with pytest.raises(measure.NotEqualError, match=f"{way}: result 0"):
        ops.prove_equal(way, ops.numpy_run(ops.IM2COL, layer, way, operands)(), expected)


@pytest.mark.parametrize(
    "figures, passes",
    [
        ((0.469, 0.824, 0.79), True),
        ((0.481, 0.824, 0.79), False),
        ((0.469, 0.817, 0.79), False),
        ((0.469, 0.824, 0.784), False),
    ],
)
def test_ten_seeds_judge_the_mean_of_each_figure(figures: tuple[float, float, float], passes: bool):
    ten_seeds = importlib.import_module("ten_seeds")
    rows = [
        {"train_loss": figures[0] + d, "train_accuracy": figures[1] + d, "test_accuracy": figures[2] + d}
        for d in (-0.05, 0.05)
    ]
    text, inside = ten_seeds.verdict(rows)
    assert inside is passes
    assert ("NO" in text) is not passes
    assert f"| mean | {figures[0]:.4f} | {figures[1]:.4f} | {figures[2]:.4f} |" in text


def test_ten_seeds_train_the_recipe_on_given_data():
    from convlet import datasets, recipes

    ten_seeds = importlib.import_module("ten_seeds")
    train, test = datasets.Digits(train=True, size=300), datasets.Digits(train=False, size=50)
    rows = [ten_seeds.train(train, test, recipes.get("d2l"), seed) for seed in (0, 0, 1)]
    assert rows[0].epoch == 10
    assert rows[0].train_loss == rows[1].train_loss != rows[2].train_loss
