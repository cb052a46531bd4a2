"""Every example runs, without a warning, and what it claims by `assert` holds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from convlet import datasets

EXAMPLES = Path(__file__).parents[1] / "examples"
TOUR = sorted(path.name for path in EXAMPLES.glob("[0-9]*.py"))
SMALL = {  # fewer digits where that still shows the same
    "07_inductive_bias.py": ["--images", "2000"],
    "08_softmax_regression.py": ["--images", "5000"],
}


def run(name: str, *options: str, **environment: str) -> str:
    """What an example prints, on one thread; asserts are on and warnings are errors."""
    command = [sys.executable, "-W", "error", str(EXAMPLES / name), *options]
    settings = {**os.environ, "CONVLET_THREADS": "1", **environment}
    done = subprocess.run(command, env=settings, capture_output=True, text=True, timeout=120)
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


@pytest.mark.parametrize("name", TOUR)
def test_the_tour_shows_what_it_says(name: str):
    assert run(name, *SMALL.get(name, []))


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
