"""A stand-in for the kernel of a notebook, which remembers what is shown."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest


class Cell:
    """What stands under a cell: each picture in its place, the latest state last."""

    def __init__(self) -> None:
        self.shown: list[list[Any]] = []

    def display(self, thing: Any, display_id: bool = False) -> SimpleNamespace:
        states = [thing]
        self.shown.append(states)
        return SimpleNamespace(update=states.append)


def enter_notebook(monkeypatch: pytest.MonkeyPatch) -> Cell:
    """Let this process be the kernel of a notebook for the length of a test."""
    cell = Cell()
    ipython, display = ModuleType("IPython"), ModuleType("IPython.display")
    ipython.get_ipython = lambda: SimpleNamespace(kernel=object())  # type: ignore[attr-defined]
    ipython.version_info = (9, 0, 0)  # type: ignore[attr-defined]
    display.display = cell.display  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    return cell
