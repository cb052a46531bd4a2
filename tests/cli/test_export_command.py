"""``convlet export``: trained weights as an ONNX file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from convlet import nn
from convlet.checkpoint import SavedNet, save_net
from convlet.cli import main
from slower import SLOWER


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A net of clothes, as ``convlet train`` leaves it."""
    saved = SavedNet(nn.LeNet(1, 3, seed=0), (1, 28, 28), ("shirt", "schön", "鞋"), {"data": "clothes"})
    save_net(tmp_path / "w.safetensors", saved)
    return tmp_path / "w.safetensors"


def test_export_writes_the_net_with_its_classes(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnx.checker", reason="needs onnx")
    import onnx

    from convlet.onnx import load

    path = tmp_path / "net.onnx"
    assert main(["export", str(weights), "--onnx", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}  opset 17, input (N, 1, 28, 28), output (N, 3)\n"
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    properties = {entry.key: entry.value for entry in model.metadata_props}
    assert properties == {"classes": '["shirt", "schön", "鞋"]', "data": "clothes"}
    assert json.loads(properties["classes"])[2] == "鞋"
    images = np.random.default_rng(0).random((4, 1, 28, 28), np.float32)
    assert np.array_equal(load(path)(images), nn.LeNet(1, 3, seed=0)(images))
    assert main(["export", str(weights), "--onnx", str(path), "--opset", "20"]) == 0
    assert onnx.load(path).opset_import[0].version == 20


@pytest.mark.parametrize(
    "arguments, says",
    [
        (["export"], "WEIGHTS"),
        (["export", "nowhere.safetensors", "--onnx", "x"], "does not exist"),
        (["export", __file__], "Missing option '--onnx'"),
        (["export", __file__, "--onnx", "."], "is a directory"),
        (["export", __file__, "--onnx", "x", "--opset", "0"], "--opset"),
    ],
)
def test_bad_usage_has_status_2(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert says in capsys.readouterr().err


def test_failures_are_told_in_one_line_and_write_nothing(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnx.checker", reason="needs onnx")
    path, bad = tmp_path / "net.onnx", tmp_path / "bad.safetensors"
    bad.write_bytes(weights.read_bytes()[:-1])
    for arguments, says in (
        ([weights, "--onnx", path, "--opset", "12"], "export: expected opset of at least 13, got 12"),
        ([weights, "--onnx", tmp_path / "nowhere" / "net.onnx"], "cannot write"),
        ([bad, "--onnx", path], f"{bad}: "),
    ):
        assert main(["export", *map(str, arguments)]) == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("convlet: ")
        assert says in err
        assert err.count("\n") == 1
    assert not path.exists()


def test_without_onnx_the_way_to_get_it_is_told(weights: Path, tmp_path: Path) -> None:
    program = f"""
import sys
sys.modules["onnx"] = None  # which makes its import fail
from convlet.cli import main
sys.exit(main(["export", {str(weights)!r}, "--onnx", {str(tmp_path / "net.onnx")!r}]))
"""
    outcome = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60 * SLOWER
    )
    assert outcome.returncode == 1
    assert outcome.stderr == 'convlet: convlet.onnx: needs onnx; pip install "convlet[onnx]"\n'
