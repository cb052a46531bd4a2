"""A small Fashion-MNIST for the book's loaders."""

from __future__ import annotations

from pathlib import Path

import pytest

from convlet import datasets


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where 300 digits to train on, and 100 to test with, lie under the names of Fashion-MNIST."""
    folder = tmp_path_factory.mktemp("data")
    for beginning, size in (("train", 300), ("t10k", 100)):
        digits = datasets.Digits(train=beginning == "train", size=size)
        datasets.write_idx(folder / f"{beginning}-images-idx3-ubyte", digits.images[:, 0])
        datasets.write_idx(folder / f"{beginning}-labels-idx1-ubyte", digits.labels.astype("uint8"))
    return folder


@pytest.fixture
def data(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same folder, where the loaders find it by themselves."""
    monkeypatch.setenv("CONVLET_DATA", str(folder))
    return folder
