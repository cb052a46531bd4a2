"""The pages with code for readers: it runs as it stands."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from convlet import callbacks, d2l, datasets, models, nn

DOCS = Path(__file__).parents[1] / "docs"


def run(page: str) -> str:
    """Run all code of a page, piece after piece; its text."""
    text = (DOCS / page).read_text()
    names: dict[str, Any] = {"__name__": "page"}
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert blocks
    for number, block in enumerate(blocks):
        exec(compile(block, f"{page}, block {number}", "exec"), names)
    return text


def test_the_page_about_the_book_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    for beginning in ("train", "t10k"):
        digits = datasets.Digits(train=beginning == "train", size=256)
        datasets.write_idx(tmp_path / f"{beginning}-images-idx3-ubyte", digits.images[:, 0])
        datasets.write_idx(tmp_path / f"{beginning}-labels-idx1-ubyte", digits.labels.astype("uint8"))
    monkeypatch.setenv("CONVLET_DATA", str(tmp_path))
    text = run("the-book.md")
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
    text = run("training.md")
    best, enough, rate = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"best epoch \d+ of \d+", best)
    assert re.fullmatch(r"\d+ epochs were enough", enough)
    assert 0.001 < float(rate.rpartition(" ")[2]) < 1
    written = sorted(path.name for path in tmp_path.iterdir())
    assert written == ["best.safetensors", "learning-rates.png", "run.csv"]
    assert set(re.findall(r"^\| `(\w+)\(", text, re.MULTILINE)) < set(callbacks.__all__)


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
            known = set(inspect.signature(getattr(nn, kind)).parameters)
            assert set(re.findall(r"\w+", options)) == known - {"seed", "in_channels", "in_features"}
    (told,) = re.findall(r"convlet: (small.toml, line 4, .*)", text)
    with pytest.raises(ValueError, match=re.escape(told.replace("line 4", "line 1"))):
        models.net_from_toml("[[layers]]\nkind = 'Conv2d'\nkernal_size = 5", name="small.toml")
