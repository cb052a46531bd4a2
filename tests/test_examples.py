"""Every example runs, without a warning, and what it claims by `assert` holds."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from convlet import datasets
from slower import SLOWER

EXAMPLES = Path(__file__).parents[1] / "examples"
CHAPTER = "11_the_chapter.py"  # has a test of its own
TOUR = sorted(path.name for path in EXAMPLES.glob("[0-9]*.py"))
SMALL = {  # fewer digits where that still shows the same
    "07_inductive_bias.py": ["--images", "2000"],
    "08_softmax_regression.py": ["--images", "5000"],
}


def run(name: str, *options: str, **environment: str) -> str:
    """What an example prints, on one thread; asserts are on and warnings are errors."""
    command = [sys.executable, "-W", "error", str(EXAMPLES / name), *options]
    settings = {**os.environ, "CONVLET_THREADS": "1", **environment}
    done = subprocess.run(command, env=settings, capture_output=True, text=True, timeout=120 * SLOWER)
    assert done.returncode == 0, f"{name}:\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def excerpt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where Fashion-MNIST is found: 512 digits under its names."""
    folder = tmp_path_factory.mktemp("data")
    for beginning in ("train", "t10k"):
        digits = datasets.Digits(train=beginning == "train", size=512)
        datasets.write_idx(folder / f"{beginning}-images-idx3-ubyte", digits.images[:, 0])
        datasets.write_idx(folder / f"{beginning}-labels-idx1-ubyte", digits.labels.astype("uint8"))
    return folder


def test_the_tour_has_no_gap():
    assert [name[:2] for name in TOUR] == [f"{number:02}" for number in range(1, len(TOUR) + 1)]


@pytest.mark.parametrize("name", [name for name in TOUR if name != CHAPTER])
def test_the_tour_shows_what_it_says(name: str):
    assert run(name, *SMALL.get(name, []))


def test_the_chapter_prints_what_the_book_prints():
    shapes, batch, losses, speed = run(CHAPTER, "--digits").rsplit("\n", 4)[:4]
    assert shapes.splitlines()[0] == "Conv2d output shape: \t (1, 6, 28, 28)"
    assert len(shapes.splitlines()) == 12
    assert batch == "a batch: (256, 1, 28, 28) float32 (256,)"
    assert re.fullmatch(r"loss \d\.\d{3}, train acc \d\.\d{3}, test acc \d\.\d{3}", losses)
    assert re.fullmatch(r"\d+\.\d examples/sec on (cpu|cuda:0)", speed)


def test_lenet_trains_on_the_digits():
    lines = run("lenet.py", "--images", "1000", "--epochs", "2").splitlines()
    assert lines[-2].startswith("epoch 1/2  loss ")
    assert lines[-1].startswith("epoch 2/2  loss ")


def test_lenet_trains_on_fashion_mnist(excerpt: Path):
    lines = run("lenet.py", "--data", "fashion-mnist", "--epochs", "1", CONVLET_DATA=str(excerpt))
    assert lines.startswith("<fashion-mnist, train: 512 images 1x28x28, 10 classes>\n")
    assert "epoch 1/1  loss " in lines


def test_lenet_fits_on_a_screen():
    assert len((EXAMPLES / "lenet.py").read_text().splitlines()) <= 50


def test_the_script_for_a_gpu_trains_on_any_device(excerpt: Path):
    from convlet import cuda

    places = ["cpu", *(["cuda"] if cuda.is_available() else [])]
    for device in places:
        options = ("--device", device, "--epochs", "1")
        lines = run("train_gpu.py", *options, CONVLET_DATA=str(excerpt)).splitlines()
        assert lines[0] == ("CPU" if device == "cpu" else cuda.device_info()["name"])
        assert lines[1].startswith("epoch 1/1  loss ")
        assert re.fullmatch(r"1 epochs in \d+\.\d{3} s with tests, \d+\.\d{3} s of training alone", lines[2])
