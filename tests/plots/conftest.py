"""Data and a net for pictures."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from convlet import datasets, nn


@pytest.fixture(scope="session")
def digits() -> datasets.Digits:
    return datasets.Digits(train=False, size=200)


@pytest.fixture(scope="session")
def net() -> nn.LeNet:
    return nn.LeNet(seed=0)


@pytest.fixture
def draws() -> None:
    """Skip what needs matplotlib where it is missing."""
    pytest.importorskip("matplotlib")


@pytest.fixture
def refuses(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Check that a picture without matplotlib is one clear sentence."""

    def check(draw: Callable[..., Any], *arguments: Any) -> None:
        monkeypatch.setitem(sys.modules, "matplotlib", None)
        monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
        with pytest.raises(ImportError, match=r'^\w+: needs matplotlib; pip install "convlet\[plots\]"$'):
            draw(*arguments)

    return check
