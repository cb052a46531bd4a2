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

from convlet import _core

FOLDER = Path(__file__).parents[2] / "benchmarks"
PACKAGES = {"torch": "torch", "jax": "jax", "onnxruntime": "onnxruntime"}
TITLES = {"torch": "PyTorch", "jax": "JAX", "onnxruntime": "ONNX Runtime"}

needs_amx = pytest.mark.skipif(not _core.has_bf16(), reason="needs a CPU with AMX, on Linux")
needs_toml = pytest.mark.skipif(
    sys.version_info < (3, 11) and find_spec("tomli") is None, reason="Python 3.10 reads TOML with tomli"
)


def start(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def quick(out: Path, suite: str, *arguments: str, against: str = "") -> dict:
    choice = ("--suite", suite, "--against", against, *arguments)
    done = start(FOLDER / "run.py", "--quick", "--threads", "1", *choice, "--out", out)
    assert done.returncode == 0, done.stderr
    return json.loads(out.read_text())


@needs_toml
@pytest.mark.parametrize(
    "suite, against, pattern, cells",
    [
        ("ops", "numpy", "*stride 2:*", 8),
        ("ops", "numpy", "lenet conv2*1 thread*", 2),
        ("ops", "", "No cliffs*", 2),
        ("ops", "numpy", "dense*", 6),
        ("ops", "numpy", "average pool*", 4),
        ("train", "numpy", "LeNet, batch*", 1),
        ("train", "", "[!L]*", 1),
        pytest.param("bf16", "", "LeNet, batch*", 1, marks=needs_amx),
        ("infer", "", "*", 2),
        ("scale", "", "*", 16),
        ("cold", "", "*", 3),
    ],
)
def test_suite_runs_in_its_quick_form_and_is_reported(
    suite: str, against: str, pattern: str, cells: int, tmp_path: Path
):
    out = tmp_path / "figures.json"
    result = quick(out, suite, "--cells", pattern, against=against)
    assert result["suite"] == suite
    assert len(result["cells"]) == cells
    assert not result["not_equal"]
    for cell in result["cells"]:
        assert all(len(row.get("images_per_second", row.get("time"))["all"]) == 2 for row in cell["rows"])
    report = start(FOLDER / "report.py", out)
    assert report.returncode == 0, report.stderr
    for cell in result["cells"]:
        assert cell.get("title", cell["cell"]) in report.stdout


def rivals_by_suite() -> list:
    """Each with cells in which it takes part."""
    cells = {
        "torch": {"ops": ["cifar first*", "lenet conv1*1 thread*"], "train": ["LeNet, batch*", "CIFAR*"]},
        "jax": {"train": ["LeNet, batch*"]},
        "onnxruntime": {},
    }
    everywhere = {"infer": ["*"], "cold": ["*"]}
    return [
        pytest.param(rival, suite, pattern, marks=[pytest.mark.torch] if rival == "torch" else [])
        for rival, suites in cells.items()
        for suite, patterns in {**suites, **everywhere}.items()
        for pattern in patterns
    ]


@needs_toml
@pytest.mark.parametrize("rival, suite, pattern", rivals_by_suite())
def test_suite_measures_a_rival_where_it_is_installed(rival: str, suite: str, pattern: str, tmp_path: Path):
    pytest.importorskip(PACKAGES[rival])
    result = quick(tmp_path / "figures.json", suite, "--cells", pattern, against=rival)
    assert result["cells"]
    names = {row["name"] for cell in result["cells"] for row in cell["rows"]}
    assert any(TITLES[rival] in name or f"import {PACKAGES[rival]}" in name for name in names)


@pytest.mark.parametrize("rival", ["torch", "jax", "onnxruntime"])
def test_missing_rival_is_named_with_the_reason(rival: str, tmp_path: Path):
    if find_spec(PACKAGES[rival]) is not None:
        pytest.skip(f"{rival} is installed")
    result = quick(tmp_path / "figures.json", "infer", against=rival)
    assert result["cells"][0]["skipped"] == {rival: f"{TITLES[rival]} is not installed"}


def test_unknown_rival_is_refused():
    done = start(FOLDER / "run.py", "--against", "numpy,abacus")
    assert done.returncode == 2
    assert "expected names of numpy, torch, torch-compile, jax, onnxruntime, got abacus" in done.stderr


@needs_toml
def test_cells_are_listed_and_chosen_by_name():
    listed = start(FOLDER / "run.py", "--suite", "ops", "--list").stdout.splitlines()
    assert len(listed) == 162 + 10 + 2
    chosen = start(
        FOLDER / "run.py", "--suite", "ops", "--list", "--cells", "B kernel 5*"
    ).stdout.splitlines()
    assert chosen == [name for name in listed if name.startswith("B kernel 5")]
    assert len(chosen) == 2


def test_pattern_without_a_cell_is_an_error():
    nothing = start(FOLDER / "run.py", "--suite", "infer", "--cells", "VGG*")
    assert nothing.returncode == 2
    assert "infer: no cell is named like VGG*" in nothing.stderr
    everywhere = start(FOLDER / "run.py", "--cells", "LeNet*")
    assert everywhere.returncode == 2
    assert "--cells needs --suite" in everywhere.stderr


def test_training_with_a_planted_difference_is_not_timed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    """One bias of the rival is changed by a tenth."""
    train, suite = importlib.import_module("train"), importlib.import_module("suite")
    genuine = train.NumpyLeNet

    def planted(layers, state):
        state = {name: array.copy() for name, array in state.items()}
        state["11.bias"][0] += 0.1
        return genuine(layers, state)

    monkeypatch.setattr(train, "NumpyLeNet", planted)
    choice = ["--quick", "--threads", "1", "--against", "numpy", "--cells", "LeNet, batch*"]
    status = suite.run("train", train.cells, suite.parser(None).parse_args(choice))
    printed = capsys.readouterr().out
    assert status == 1
    assert "NOT EQUAL, and so not timed: LeNet, batch 256, whole training loop: NumPy, im2col" in printed
    assert "| convlet |" not in printed


@pytest.mark.parametrize("op", ["forward", "forward+backward"])
@pytest.mark.parametrize("padding, stride", [(0, 1), (2, 1), (1, 2)])
def test_convolution_with_a_planted_difference_is_not_equal(op: str, padding: int, stride: int):
    """One number of the weight is changed in the third digit."""
    conv, shapes, measure = map(importlib.import_module, ("conv", "shapes", "measure"))
    shape = shapes.Shape(3, 9, (2, 4), 5, padding, stride)
    operands, expected = conv.case(shape)
    expected = expected[: 1 if op == "forward" else 4]
    run = conv.convlet_run(shape, op, operands)
    allowed = conv.limits(shape, op)
    assert measure.check_all_equal(op, run(), expected, allowed) <= conv.LIMIT
    operands.w[0, 0, 2, 2] += np.float32(0.002)
    conv.case.cache_clear()
    with pytest.raises(measure.NotEqualError, match="result 0: differs by"):
        measure.check_all_equal(op, run(), expected, allowed)


@pytest.mark.parametrize("way", ["forward", "backward"])
def test_layer_with_a_planted_difference_is_not_equal(way: str):
    layers, measure = importlib.import_module("layers"), importlib.import_module("measure")
    layer = next(layer for layer in layers.LAYERS if layer.kind == "linear")
    operands = layers.draw(layer, 3)
    expected = layers.convlet_run(layer, way, operands)()
    got = layers.numpy_run(layers.IM2COL, layer, way, operands)
    allowed = [layers.LIMIT] * len(expected)
    assert measure.check_all_equal(way, got(), expected, allowed) <= layers.LIMIT
    operands.w[0, 0] += np.float32(0.02)
    with pytest.raises(measure.NotEqualError, match=f"{way}: result 0"):
        measure.check_all_equal(way, got(), expected, allowed)


def test_training_work_of_lenet_is_that_of_the_article():
    nets = importlib.import_module("nets")
    assert nets.LENET.multiply_adds == (416_520, 1_131_960)
    assert {net.build().plan(net.image).output_shape for net in nets.NETS} == {(10,)}


def test_process_is_measured_by_its_own_memory():
    """Not by that of this one, from which it descends."""
    cold = importlib.import_module("cold")
    ballast = np.ones(2**28, np.uint8)
    done = cold.start(cold.Job("small", (sys.executable, "-c", "print(6 * 7)"), cold.seconds))
    assert (done.output.strip(), len(ballast)) == ("42", 2**28)
    assert 2**20 < done.peak_bytes < 2**27
    assert 0 < done.seconds < 10


def test_failing_process_is_an_error():
    cold = importlib.import_module("cold")
    with pytest.raises(RuntimeError, match="broken"):
        cold.start(
            cold.Job("broken", (sys.executable, "-c", "raise SystemExit('it is broken')"), cold.seconds)
        )


def test_limit_grows_with_the_terms_of_a_sum():
    conv, shapes = importlib.import_module("conv"), importlib.import_module("shapes")
    small, large = shapes.Shape(1, 8, (2, 4), 5, 0, 1), shapes.Shape(256, 96, (6, 16), 5, 0, 1)
    assert conv.limits(small, "forward") == [1e-5]
    assert conv.limits(small, "forward+backward") == [1e-5] * 4
    y, dx, dw, db = conv.limits(large, "forward+backward")
    assert (y, dx) == (1e-5, 1e-5)
    assert dw == db == pytest.approx(2**-23 * (256 * 92**2) ** 0.5)
