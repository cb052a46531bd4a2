"""A folder of one's own pictures: trained on, tested with, and told apart, from the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from convlet.checkpoint import load_net
from convlet.cli import main

Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Discs, crosses, and red discs, which are discs to whoever sees no colours."""
    root, rng = tmp_path_factory.mktemp("shapes"), np.random.default_rng(0)
    for name in ("cross", "disc", "red disc"):
        (root / name).mkdir()
        for number in range(60):
            picture = Image.new("RGB", (80, 64), tuple(rng.integers(170, 256, 3).tolist()))
            pen, x, y, r = ImageDraw.Draw(picture), *rng.integers((30, 25, 10), (50, 40, 20)).tolist()
            # Of one luminance, so that only the colour tells them apart.
            ink = (200, 0, 0) if name == "red disc" else (0, 90, 60)
            if name == "cross":
                pen.line((x - r, y - r, x + r, y + r), fill=ink, width=6)
                pen.line((x - r, y + r, x + r, y - r), fill=ink, width=6)
            else:
                pen.ellipse((x - r, y - r, x + r, y + r), fill=ink)
            picture.save(root / name / f"{number:03}.png")
    return root


@pytest.mark.parametrize(
    "options, shape, least",
    [(["--colour", "--image-size", "32x40"], (3, 32, 40), 0.9), ([], (1, 28, 28), 0.5)],
)
def test_own_classes_are_learned(
    options: list[str], shape: tuple[int, ...], least: float, folder: Path, tmp_path: Path, capsys: Captured
) -> None:
    out, weights = tmp_path / "run", str(tmp_path / "run" / "weights.safetensors")
    assert main(["train", "--data", str(folder), *options, "--out", str(out)]) == 0
    saved = load_net(weights)
    assert (saved.input_shape, saved.classes) == (shape, ("cross", "disc", "red disc"))
    assert saved.notes["prepare"] == "resize"
    capsys.readouterr()
    assert main(["evaluate", weights]) == 0
    words = capsys.readouterr().out.split()
    assert float(words[words.index("acc") + 1]) >= least
    pictures = [str(folder / name / "001.png") for name in saved.classes]  # of those to test with
    assert main(["predict", weights, *pictures]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    if shape[0] == 3:
        found = [line.removeprefix(f"{path}  ") for path, line in zip(pictures, lines, strict=True)]
        assert all(answer.startswith(name + " ") for answer, name in zip(found, saved.classes, strict=True))


def test_a_run_goes_on_with_the_size_and_the_colours_it_had(
    folder: Path, tmp_path: Path, capsys: Captured
) -> None:
    out = str(tmp_path / "run")
    start = ["train", "--data", str(folder), "--colour", "--image-size", "16", "--epochs", "1", "--out", out]
    assert main(start) == 0
    assert main(["train", "--resume", "--epochs", "2", "--out", out]) == 0
    assert load_net(tmp_path / "run" / "weights.safetensors").input_shape == (3, 16, 16)
    capsys.readouterr()
    assert main(["train", "--resume", "--image-size", "17", "--out", out]) == 2
    assert "the run in" in capsys.readouterr().err
    assert main(["train", "--resume", "--gray", "--out", out]) == 2


def test_folders_that_cannot_be_trained_on_are_told_before_anything_is_written(
    tmp_path: Path, capsys: Captured
) -> None:
    out, root = tmp_path / "run", tmp_path / "set"

    def told(status: int, *options: str) -> str:
        assert main(["train", "--data", str(root), "--out", str(out), *options]) == status
        assert not out.exists()
        return capsys.readouterr().err

    root.mkdir()
    assert "expected a folder of pictures for each class, got no folders" in told(1)
    (root / "a").mkdir()
    (root / "b").mkdir()
    for name in "12":
        Image.new("L", (9, 9)).save(root / "a" / f"{name}.png")
    assert f"{root / 'b'}: expected pictures" in told(1)
    (root / "b" / "x.png").write_text("no picture")
    assert f"{root / 'b' / 'x.png'}: expected a picture of PNG" in told(1)
    assert "at least 12x12" in told(2, "--image-size", "11x40")
    for size in ("0", "28x", "28x28x3", "big", "-5", "99999"):
        assert "expected rows and columns like 32 or 32x48" in told(2, f"--image-size={size}")


@pytest.mark.parametrize("option", [["--colour"], ["--image-size", "32"]])
def test_published_sets_keep_their_form(option: list[str], capsys: Captured) -> None:
    assert main(["train", "--data", "mnist", *option]) == 2
    assert "are for folders of pictures, not for mnist" in capsys.readouterr().err
