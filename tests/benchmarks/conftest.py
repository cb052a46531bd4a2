"""The scripts of `benchmarks/` as modules."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from convlet import _core

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def scripts_as_modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """They can be imported, and the number of threads that they set lasts no longer than the test."""
    monkeypatch.syspath_prepend(FOLDER)
    before = _core.get_threads()
    yield
    _core.set_threads(before)
