"""The pages for readers of the book and users of scikit-learn: their code runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from convlet import d2l, datasets

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
