"""The pages of docs/: their code runs as it stands and prints what they show, and they make a site."""

from __future__ import annotations

import inspect
import math
import re
import subprocess
import sys
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convlet import callbacks, d2l, datasets, models, nn

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
TOUR = sorted(page.name for page in (DOCS / "tour").glob("*.md") if page.name != "index.md")
# How far the figures of a training may be from those shown, on other instruction sets or other images.
FIGURES = {
    "fashion-mnist.md": math.inf,
    "from-pytorch-and-keras.md": 0.05,
    "index.md": 0.05,
    "nearness.md": 0.15,
    "softmax-regression.md": 0.05,
    "waldo.md": 3,
}
PIECE = re.compile(r"```python\n(.*?)```(?:\n\n```text\n(.*?)```)?", re.DOTALL)
NUMBER = re.compile(r"\d+(?:\.\d+)?")


def run(page: str, skip: str = "") -> tuple[str, dict[str, Any]]:
    """Run the code of a page, but for pieces with the word to skip; its text, and what the code names."""
    text = (DOCS / page).read_text()
    names: dict[str, Any] = {"__name__": "page"}
    blocks = [code for code, _ in PIECE.findall(text) if not skip or skip not in code]
    assert blocks
    for number, block in enumerate(blocks):
        exec(compile(block, f"{page}, block {number}", "exec"), names)
    return text, names


def agree(printed: str, shown: str, off: float) -> bool:
    """Whether two texts are equal but for numbers that are close."""
    if off == 0:
        return printed == shown
    numbers = [[float(number) for number in NUMBER.findall(text)] for text in (printed, shown)]
    words = [NUMBER.sub("#", text).split() for text in (printed, shown)]
    return words[0] == words[1] and all(abs(a - b) <= off for a, b in zip(*numbers, strict=True))


@pytest.fixture
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pages save pictures where they run, and find what examples/ has."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(ROOT / "examples")
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("name", TOUR)
def test_a_page_of_the_tour_prints_and_draws_what_it_shows(
    name: str, in_a_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    text = (DOCS / "tour" / name).read_text()
    if "plots" in text:
        pytest.importorskip("matplotlib")
    monkeypatch.setattr(datasets, "FashionMNIST", partial(datasets.Digits, size=512))
    run(f"tour/{name}")
    printed, shown = capsys.readouterr().out, "".join(out for _, out in PIECE.findall(text))
    assert shown
    assert agree(printed, shown, FIGURES.get(name, 0)), printed
    pictures = re.findall(r"!\[[^]]+\]\(\.\./images/([^)]+)\)", text)
    assert sorted(pictures) == sorted(path.name for path in in_a_folder.iterdir())
    assert all((DOCS / "images" / picture).stat().st_size > 1000 for picture in pictures)


def test_the_tour_lists_all_its_pages():
    listed = re.findall(r"^([a-z-]+)$", (DOCS / "tour" / "index.md").read_text(), re.MULTILINE)
    assert sorted(f"{name}.md" for name in listed) == TOUR


def test_the_first_page_trains(capsys: pytest.CaptureFixture[str]):
    text, _ = run("index.md")
    (_, shown), *_ = PIECE.findall(text)
    assert agree(capsys.readouterr().out, shown, FIGURES["index.md"])


def test_the_page_for_users_of_pytorch_and_keras_runs(capsys: pytest.CaptureFixture[str]):
    text, names = run("from-pytorch-and-keras.md", skip="" if find_spec("torch") else "teacher")
    shown = "".join(out for _, out in PIECE.findall(text))
    assert agree(capsys.readouterr().out, shown, FIGURES["from-pytorch-and-keras.md"])

    # The net with channels last, as Keras computes it, gives the same logits.
    image = names["test"].images[:1] / np.float32(255)
    kernel, kernel_bias, dense, dense_bias = names["weights"]
    padded = np.pad(image[0, 0], 2)[:, :, None]
    y = np.empty((28, 28, 6))
    for i, j in np.ndindex(28, 28):
        y[i, j] = np.einsum("hwc,hwco->o", padded[i : i + 5, j : j + 5], kernel) + kernel_bias
    pooled = np.maximum(y, 0).reshape(14, 2, 14, 2, 6).max(axis=(1, 3))
    np.testing.assert_allclose(pooled.ravel() @ dense + dense_bias, names["net"](image)[0], atol=1e-4)


def test_the_page_about_the_book_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    for beginning in ("train", "t10k"):
        digits = datasets.Digits(train=beginning == "train", size=256)
        datasets.write_idx(tmp_path / f"{beginning}-images-idx3-ubyte", digits.images[:, 0])
        datasets.write_idx(tmp_path / f"{beginning}-labels-idx1-ubyte", digits.labels.astype("uint8"))
    monkeypatch.setenv("CONVLET_DATA", str(tmp_path))
    text, _ = run("the-book.md")
    printed = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"loss \d\.\d{3}, train acc \d\.\d{3}, test acc \d\.\d{3}", printed[0])
    assert printed[2] == "Conv2d output shape:\t (1, 6, 28, 28)"
    table = re.findall(r"^\|(?: [^|]+)\|([^|]+)\|$", text, re.MULTILINE)
    named = {name for row in table for name in re.findall(r"`(\w+)`", row)}
    assert named == {*d2l.__all__, "plt"}


def test_the_page_about_scikit_learn_runs(capsys: pytest.CaptureFixture[str]):
    pytest.importorskip("sklearn", minversion="1.6")
    run("scikit-learn.md")
    scores, best = capsys.readouterr().out.splitlines()
    assert all(float(score) > 0.7 for score in scores.strip("[]").split())
    assert float(best.split("}")[1]) > 0.9


def test_the_page_about_training_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    text, _ = run("training.md")
    best, enough, rate = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"best epoch \d+ of \d+", best)
    assert re.fullmatch(r"\d+ epochs were enough", enough)
    assert 0.001 < float(rate.rpartition(" ")[2]) < 1
    written = sorted(path.name for path in tmp_path.iterdir())
    assert written == ["best.safetensors", "learning-rates.png", "run.csv"]
    assert set(re.findall(r"^\| `(\w+)\(", text, re.MULTILINE)) < set(callbacks.__all__)


def test_the_page_about_the_same_bits_keeps_its_promise_and_names_tests_that_are_there(
    capsys: pytest.CaptureFixture[str],
):
    text, _ = run("determinism.md")
    assert capsys.readouterr().out == PIECE.findall(text)[0][1]
    named = set(re.findall(r"`(tests/[\w/]+\.py)`", text))
    assert named
    assert all((ROOT / path).exists() for path in named)


def test_the_page_about_models_describes_nets_and_all_their_options():
    text = (DOCS / "models.md").read_text()
    (description,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    assert models.net_from_toml(description).plan((1, 28, 28)).output_shape == (10,)
    (program,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict[str, Any] = {}
    exec(program, names)
    assert names["build"]((3, 8, 8), 4).plan((3, 8, 8)).output_shape == (4,)
    for kinds, options in re.findall(r"^\| (`[A-Z].*?) \| ?(.*?) ?\|$", text, re.MULTILINE):
        for kind in re.findall(r"\w+", kinds):
            parameters = inspect.signature(getattr(nn, kind)).parameters.values()
            known = {p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
            assert set(re.findall(r"\w+", options)) == known - {"seed", "in_channels", "in_features"}
    (told,) = re.findall(r"convlet: (small.toml, line 4, .*)", text)
    with pytest.raises(ValueError, match=re.escape(told.replace("line 4", "line 1"))):
        models.net_from_toml("[[layers]]\nkind = 'Conv2d'\nkernal_size = 5", name="small.toml")


@pytest.mark.slow
def test_the_site_is_made_without_a_warning(tmp_path: Path):
    for needed in ("sphinx", "myst_parser", "furo"):
        pytest.importorskip(needed)
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-d", str(tmp_path / "read")]
    done = subprocess.run(
        [*command, "-b", "html", str(DOCS), str(tmp_path / "site")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "site" / "api" / "functional.html").read_text()
    assert 'id="convlet.functional.conv2d"' in page
