"""A small data set in MNIST's form, so that a run of the command line takes a moment."""

from __future__ import annotations

from pathlib import Path

from convlet import datasets


def write_small_mnist(folder: Path) -> Path:
    """600 images to train on and 200 to test with, where ``--data mnist --data-dir`` finds them."""
    for beginning, train, size in (("train", True, 600), ("t10k", False, 200)):
        digits = datasets.Digits(train, size)
        datasets.write_idx(folder / f"{beginning}-images-idx3-ubyte", digits.images[:, 0])
        datasets.write_idx(folder / f"{beginning}-labels-idx1-ubyte", digits.labels.astype("uint8"))
    return folder
