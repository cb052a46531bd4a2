"""Data sets by name, as the command line asks for them."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from convlet import datasets
from mirrors import write


def pictures(folder, counts):
    for name, count in counts.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            Image.new("L", (5, 4), number).save(folder / name / f"{number:02}.png")
    return folder


def test_digits_need_nothing(cache):
    for train, size in ((True, 80_000), (False, 10_000)):
        data = datasets.load("digits", train)
        assert (data.name, data.train, len(data)) == ("digits", train, size)


@pytest.mark.parametrize("name", ["fashion-mnist", "mnist", "kmnist"])
def test_published_set_is_found_in_the_folder_given(tmp_path, cache, excerpt, name):
    write(tmp_path / name, excerpt, ".gz")
    assert datasets.load(name, False, tmp_path).name == name
    assert len(datasets.load(name, train=False, data_dir=str(tmp_path))) == 5


def test_names_are_all_there_is():
    assert datasets.NAMES == ("digits", "fashion-mnist", "mnist", "kmnist")


@pytest.mark.parametrize("name", ["cifar", "Digits", "no/such/folder"])
def test_unknown_name_lists_the_known_ones(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=f"digits, fashion-mnist, mnist, kmnist or a folder .* got '{name}'"):
        datasets.load(name)


def test_folder_is_read_and_stretched(tmp_path):
    folder = pictures(tmp_path / "set", {"a": 3, "b": 2})
    data = datasets.load(str(folder), size=28, mode="RGB")
    assert data.images.shape == (3, 3, 28, 28)
    assert (data.name, data.classes, data.train) == ("set", ("a", "b"), True)


def test_folder_without_parts_is_divided_by_fifths_of_each_class(tmp_path):
    folder = pictures(tmp_path, {"a": 11, "b": 1, "c": 2})
    train, test = datasets.load(folder, train=True), datasets.load(folder, train=False)
    assert test.labels.tolist() == [0, 0, 2]
    assert test.images[:, 0, 0, 0].tolist() == [1, 6, 1]
    assert train.labels.tolist() == [0] * 9 + [1, 2]
    both = np.concatenate([train.images, test.images])
    assert sorted(both[:, 0, 0, 0].tolist()) == sorted([*range(11), 0, 0, 1])
    assert train.classes == test.classes == ("a", "b", "c")
    assert (train.train, test.train) == (True, False)


def test_folder_with_parts_is_taken_as_it_is(tmp_path):
    for part, count in (("train", 7), ("test", 3)):
        pictures(tmp_path / part, {"a": count})
    assert [len(datasets.load(tmp_path, train=train)) for train in (True, False)] == [7, 3]


def test_folder_with_one_picture_of_each_class_has_none_to_test_with(tmp_path):
    folder = pictures(tmp_path, {"a": 1, "b": 1})
    assert len(datasets.load(folder)) == 2
    with pytest.raises(ValueError, match="expected a class with at least two pictures"):
        datasets.load(folder, train=False)
