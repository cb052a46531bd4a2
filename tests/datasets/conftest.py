"""Mirrors, an empty cache, and small files in the form of the published ones."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from convlet import datasets
from mirrors import Mirror


@pytest.fixture
def new_mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Mirror]]:
    """Starts mirrors; they stop after the test."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    mirrors: list[Mirror] = []

    def start() -> Mirror:
        mirrors.append(Mirror())
        return mirrors[-1]

    yield start
    for mirror in mirrors:
        mirror.close()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, and no data anywhere else; where nothing is reachable."""
    monkeypatch.delenv("CONVLET_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for kind in (datasets.MNIST, datasets.FashionMNIST, datasets.KMNIST):
        monkeypatch.setattr(kind, "mirrors", ())
    return tmp_path / "cache" / "convlet"


@pytest.fixture
def excerpt(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """The four files of a set of MNIST's form by name, with 12 images to train on and 5 to test with."""
    files: dict[str, np.ndarray] = {}
    for part, count in (("train", 12), ("t10k", 5)):
        files[f"{part}-images-idx3-ubyte"] = rng.integers(0, 256, (count, 28, 28), np.uint8)
        files[f"{part}-labels-idx1-ubyte"] = rng.integers(0, 10, count, np.uint8)
    return files


@pytest.fixture
def packed(excerpt: dict[str, np.ndarray], tmp_path: Path) -> dict[str, bytes]:
    """The same four files as a mirror holds them."""
    contents = {}
    for name, array in excerpt.items():
        datasets.write_idx(tmp_path / "file.gz", array)
        contents[f"{name}.gz"] = (tmp_path / "file.gz").read_bytes()
    return contents


@pytest.fixture
def published(packed: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """The same, and Fashion-MNIST's digests are those of the four files."""
    digests = {
        name: f"sha256:{hashlib.sha256(gzip.decompress(content)).hexdigest()}"
        for name, content in packed.items()
    }
    monkeypatch.setattr(datasets.FashionMNIST, "digests", digests)
    return packed
