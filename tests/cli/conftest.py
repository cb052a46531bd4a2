"""A small data set, so that a run of the command line takes a moment."""

from __future__ import annotations

from pathlib import Path

import pytest

from small_mnist import write_small_mnist


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_mnist(tmp_path_factory.mktemp("data"))
