"""The page about pictures: its code draws every picture that it shows."""

from __future__ import annotations

import importlib.util
import re
from functools import partial
from pathlib import Path

import pytest

from convlet import datasets

ROOT = Path(__file__).parents[2]


@pytest.mark.usefixtures("draws")
def test_the_code_on_the_page_draws_its_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    spec = importlib.util.spec_from_file_location("draw_docs", ROOT / "scripts" / "draw_docs.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    monkeypatch.setattr(datasets, "FashionMNIST", partial(datasets.Digits, size=300))
    script.draw(tmp_path)
    shown = re.findall(r"!\[[^]]+\]\(images/([^)]+)\)", script.PAGE.read_text())
    assert len(shown) == len(script.blocks())
    assert sorted(shown) == sorted(path.name for path in tmp_path.iterdir())
    assert all((ROOT / "docs" / "images" / name).stat().st_size > 1000 for name in shown)
