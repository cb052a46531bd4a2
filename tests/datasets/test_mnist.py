"""MNIST and the sets of its form: where they are looked for, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from convlet import datasets
from convlet.datasets import KMNIST, MNIST, FashionMNIST, write_idx
from mirrors import write

KINDS = [
    (FashionMNIST, "fashion-mnist", "FashionMNIST"),
    (MNIST, "mnist", "MNIST"),
    (KMNIST, "kmnist", "KMNIST"),
]


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("kind, name, torchvision", KINDS)
@pytest.mark.parametrize("place", ["{name}", "{torchvision}/raw", "."])
def test_files_are_found_in_each_place_packed_or_not(
    tmp_path, cache, excerpt, kind, name, torchvision, place, suffix
):
    write(tmp_path / place.format(name=name, torchvision=torchvision), excerpt, suffix)
    for part, train in (("train", True), ("t10k", False)):
        data = kind(tmp_path, train=train)
        np.testing.assert_array_equal(data.images[:, 0], excerpt[f"{part}-images-idx3-ubyte"])
        np.testing.assert_array_equal(data.labels, excerpt[f"{part}-labels-idx1-ubyte"])
        assert (data.name, data.train, len(data.classes)) == (name, train, 10)
        assert data.images.flags.c_contiguous
        assert data.labels.dtype == np.int64


def test_root_comes_before_the_environment_and_that_before_the_cache(tmp_path, cache, excerpt, monkeypatch):
    second, third = tmp_path / "second", tmp_path / "third"
    monkeypatch.setenv("CONVLET_DATA", os.pathsep.join(map(str, (second, third))))
    for size, folder in enumerate((tmp_path / "root", second, third, cache), start=1):
        write(folder / "mnist", {name: array[:size] for name, array in excerpt.items()})
    for expected, folder in enumerate((tmp_path / "root", second, third, cache), start=1):
        assert len(MNIST(tmp_path / "root", train=False)) == expected
        for path in (folder / "mnist").iterdir():
            path.unlink()


def test_place_without_labels_is_passed_over(tmp_path, cache, excerpt):
    write(tmp_path / "mnist", {name: array for name, array in excerpt.items() if "images" in name})
    write(tmp_path, excerpt)
    (tmp_path / "mnist" / "train-labels-idx1-ubyte").mkdir()
    assert MNIST(tmp_path).labels.tolist() == excerpt["train-labels-idx1-ubyte"].tolist()


def test_missing_files_are_named_with_the_folders_that_were_searched(tmp_path, cache, monkeypatch):
    monkeypatch.setenv("CONVLET_DATA", str(tmp_path / "named"))
    with pytest.raises(FileNotFoundError) as caught:
        FashionMNIST(tmp_path / "root", train=False, download=False)
    for word in ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz", "root", "named", str(cache)):
        assert word in str(caught.value)


@pytest.mark.parametrize(
    "name, change, message",
    [
        ("train-images-idx3-ubyte", lambda a: a[:, :27], r"uint8 of shape \(N, 28, 28\), got uint8 of shape"),
        ("train-images-idx3-ubyte", lambda a: a[0], r"uint8 of shape \(N, 28, 28\)"),
        ("train-images-idx3-ubyte", lambda a: a.astype(np.int16), "got int16 of shape"),
        (
            "train-labels-idx1-ubyte",
            lambda a: a[:, None],
            r"uint8 of shape \(N,\), got uint8 of shape \(12, 1\)",
        ),
        ("train-labels-idx1-ubyte", lambda a: a[:-1], "expected 12 labels, as many as images in .*, got 11"),
        ("train-labels-idx1-ubyte", lambda a: a + 10 - a.min(), r"expected labels in 0\.\.9, got"),
    ],
)
def test_file_of_another_shape_is_refused_by_name(tmp_path, cache, excerpt, name, change, message):
    write(tmp_path, excerpt)
    write_idx(tmp_path / name, change(excerpt[name]))
    with pytest.raises(ValueError, match=f"{name}: .*{message}"):
        MNIST(tmp_path)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_truncated_file_is_refused_by_name_and_not_replaced(tmp_path, cache, excerpt, suffix):
    write(tmp_path, excerpt, suffix)
    path = tmp_path / f"train-images-idx3-ubyte{suffix}"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match=f"{path.name}: truncated"):
        MNIST(tmp_path)
    assert path.stat().st_size == 1000


@pytest.mark.parametrize("argument", ["train", "download"])
def test_flags_are_flags(tmp_path, cache, argument):
    with pytest.raises(TypeError, match=f"KMNIST: expected {argument} to be True or False, got 'test'"):
        KMNIST(tmp_path, **{argument: "test"})


def fashion_mnist(train: bool) -> datasets.Dataset:
    if not os.environ.get("CONVLET_DATA"):
        pytest.skip("CONVLET_DATA is not set")
    try:
        return FashionMNIST(train=train, download=False)
    except FileNotFoundError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("train, size, mean", [(True, 60_000, 72.94), (False, 10_000, 73.15)])
def test_real_fashion_mnist_is_the_published_set(train, size, mean):
    data = fashion_mnist(train)
    assert data.images.shape == (size, 1, 28, 28)
    assert np.bincount(data.labels).tolist() == [size // 10] * 10
    assert abs(data.images.mean() - mean) < 0.01
    assert [data.classes[label] for label in data.labels[:2]] == (
        ["Ankle boot", "T-shirt/top"] if train else ["Ankle boot", "Pullover"]
    )


def test_home_folder_is_understood(cache, excerpt, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path / "data", excerpt)
    assert len(MNIST(Path("~") / "data")) == 12
