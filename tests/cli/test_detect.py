"""``convlet detect``: what is found in a picture, told and drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convlet import nn
from convlet.checkpoint import SavedNet, save_net
from convlet.cli import main

Captured = pytest.CaptureFixture[str]
SIDE = 8


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A net that knows light squares of 4x4 in the middle of dark windows."""
    square = np.zeros((SIDE, SIDE), np.float32)
    square[2:6, 2:6] = 1
    net = nn.Sequential(nn.Flatten(), nn.Linear(SIDE * SIDE, 2))
    net[1].weight[0] = np.where(square > 0, 3, -3).ravel()
    net[1].bias[...] = -30, 0
    net[1].weight[1] = 0
    saved = SavedNet(net, (1, SIDE, SIDE), ("square", "background"), {"background": "dark"})
    save_net(tmp_path / "net.safetensors", saved)
    return tmp_path / "net.safetensors"


def scene(path: Path, *places: tuple[int, int], invert: bool = False, scale: int = 1) -> Path:
    pixels = np.zeros((40, 60), np.uint8)
    for top, left in places:
        pixels[top + 2 : top + 6, left + 2 : left + 6] = 255
    pixels = np.kron(pixels, np.ones((scale, scale), np.uint8))
    Image.fromarray(255 - pixels if invert else pixels).save(path)
    return path


def test_each_thing_has_a_line_with_its_class_probability_and_place(
    weights: Path, tmp_path: Path, capsys: Captured
) -> None:
    path = scene(tmp_path / "scene.png", (5, 7), (20, 30))
    assert main(["detect", str(weights), str(path)]) == 0
    out, err = capsys.readouterr()
    assert sorted(out.splitlines()) == ["square 100.0%  20 30 8 8", "square 100.0%  5 7 8 8"]
    assert err == f"{path}: 2 found\n"


def test_a_light_picture_is_inverted_for_a_net_of_dark_ones(
    weights: Path, tmp_path: Path, capsys: Captured
) -> None:
    path = scene(tmp_path / "scene.png", (5, 7), invert=True)
    assert main(["detect", str(weights), str(path)]) == 0
    assert capsys.readouterr().out == "square 100.0%  5 7 8 8\n"
    assert main(["detect", "--no-invert", str(weights), str(path)]) == 0
    assert capsys.readouterr().out == ""


def test_scales_and_strides(weights: Path, tmp_path: Path, capsys: Captured) -> None:
    path = scene(tmp_path / "scene.png", (4, 8), scale=2)
    assert main(["detect", str(weights), str(path), "--scales", "1,0.5"]) == 0
    assert capsys.readouterr().out == "square 100.0%  8 16 16 16\n"
    assert main(["detect", str(weights), str(path), "--scales", "0.5", "--stride", "4"]) == 0
    assert capsys.readouterr().out == "square 100.0%  8 16 16 16\n"
    assert main(["detect", str(weights), str(path), "--scales", "0.5", "--stride", "5"]) == 0
    assert capsys.readouterr().out == ""


def test_out_draws_the_picture_with_its_boxes(weights: Path, tmp_path: Path) -> None:
    path, out = scene(tmp_path / "scene.png", (20, 30)), tmp_path / "found.png"
    assert main(["detect", str(weights), str(path), "--out", str(out)]) == 0
    drawn = np.asarray(Image.open(out)).astype(int)
    assert drawn.shape == (40, 60, 3)
    coloured = np.ptp(drawn, axis=2) > 50
    assert coloured[27, 30:38].all()  # the lower side of the box
    assert not coloured[:6].any()
    assert not coloured[:, :29].any()
    assert drawn[24, 34].tolist() == [255, 255, 255]


def test_bad_files_and_options_are_told(weights: Path, tmp_path: Path, capsys: Captured) -> None:
    small = tmp_path / "small.png"
    Image.new("L", (5, 5)).save(small)
    scene(tmp_path / "scene.png")
    for arguments, status, says in (
        ([tmp_path / "nowhere.png"], 1, "nowhere.png: No such file or directory"),
        ([tmp_path], 1, "Is a directory"),
        ([weights], 1, "expected a picture of PNG, JPEG"),
        ([small], 1, "expected an image of at least 8x8 at some scale, got 5x5"),
        ([small, "--scales", "1,0"], 2, "expected numbers from 1/64 to 64, got '1,0'"),
        ([small, "--scales", "big"], 2, "expected numbers like 1,0.7,0.5, got 'big'"),
        ([small, "--threshold", "2"], 2, "--threshold"),
        ([small, "--background", "cat"], 2, "the net's classes are square, background"),
        ([tmp_path / "scene.png", "--out", tmp_path / "a.doc"], 1, "a name that ends as a picture's"),
    ):
        assert main(["detect", str(weights), *map(str, arguments)]) == status
        assert says in capsys.readouterr().err
