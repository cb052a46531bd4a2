"""What every data set does, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from convlet.datasets import Dataset


@pytest.fixture
def dataset(rng):
    images = rng.integers(0, 256, (6, 3, 4, 5), np.uint8)
    return Dataset(images, [0, 1, 2, 0, 1, 2], ["red", "green", "blue"], name="colours", train=False)


def test_fields_are_kept_and_labels_become_int64(dataset):
    assert len(dataset) == 6
    assert dataset.images.dtype == np.uint8
    assert dataset.labels.dtype == np.int64
    assert dataset.labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert (dataset.classes, dataset.name, dataset.train) == (("red", "green", "blue"), "colours", False)
    assert repr(dataset) == "<colours, test: 6 images 3x4x5, 3 classes>"


def test_an_index_gives_an_image_and_its_label(dataset):
    for index in (0, 5, -1, -6, np.int64(3)):
        image, label = dataset[index]
        np.testing.assert_array_equal(image, dataset.images[index])
        assert type(label) is int
        assert label == dataset.labels[index]


def test_a_loop_meets_every_image_once(dataset):
    pairs = list(dataset)
    assert [label for _, label in pairs] == dataset.labels.tolist()
    np.testing.assert_array_equal(np.stack([image for image, _ in pairs]), dataset.images)


def test_a_slice_is_a_data_set_that_shares_its_images(dataset):
    part = dataset[2:5]
    assert type(part) is Dataset
    assert (part.classes, part.name, part.train) == (dataset.classes, "colours", False)
    assert part.labels.tolist() == [2, 0, 1]
    assert np.shares_memory(part.images, dataset.images)
    assert dataset[::-2].images.flags.c_contiguous
    np.testing.assert_array_equal(dataset[::-2].images, dataset.images[::-2])
    assert len(dataset[6:]) == 0


@pytest.mark.parametrize(
    "indices, expected",
    [
        ([4, 0, 0, -1], [1, 0, 0, 2]),
        (np.array([1, 3], np.uint8), [1, 0]),
        ([False, True, False, False, False, True], [1, 2]),
        ([], []),
        (range(2), [0, 1]),
    ],
)
def test_a_subset_has_the_chosen_images_in_order(dataset, indices, expected):
    part = dataset.subset(indices)
    assert part.labels.tolist() == expected
    assert part.classes == dataset.classes
    assert not np.shares_memory(part.images, dataset.images)


def test_a_mask_from_the_labels_chooses_a_class(dataset):
    assert dataset.subset(dataset.labels == 1).labels.tolist() == [1, 1]


def test_classes_are_numbered_where_they_have_no_names():
    images = np.zeros((3, 1, 2, 2), np.uint8)
    assert Dataset(images, [0, 2, 2]).classes == ("0", "1", "2")
    assert Dataset(images[:0], np.empty(0, int)).classes == ()


def test_images_in_another_layout_are_copied_into_c_order():
    images = np.zeros((4, 4, 1, 3), np.uint8).transpose(3, 2, 0, 1)
    assert Dataset(images, [0, 0, 0]).images.flags.c_contiguous


IMAGES = np.zeros((3, 1, 2, 2), np.uint8)


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        (
            (IMAGES.astype(np.float32), [0, 0, 0]),
            TypeError,
            "expected images of dtype uint8, got dtype float32",
        ),
        ((IMAGES[:, 0], [0, 0, 0]), ValueError, r"images of shape \(N, C, H, W\), got \(3, 2, 2\)"),
        ((IMAGES, [0, 0]), ValueError, "a label for each of 3 images, got 2 labels"),
        ((IMAGES, [[0, 0, 0]]), ValueError, r"labels of shape \(N,\), got \(1, 3\)"),
        ((IMAGES, [0.0, 1.0, 2.0]), TypeError, "expected integer labels, got dtype float64"),
        ((IMAGES, [True, False, True]), TypeError, "expected integer labels, got dtype bool"),
        ((IMAGES, [0, -1, 0]), ValueError, "got -1 at position 1"),
        ((IMAGES, [0, -100, 0], ["a"]), ValueError, "got -100 at position 1"),
        ((IMAGES, [0, 1, 2], ["a", "b"]), ValueError, r"labels in 0\.\.1, got 2 at position 2"),
        ((IMAGES, [0, 1, 2**40]), ValueError, "expected classes to name labels up to 1099511627776"),
        ((IMAGES, [0, 0, 0], "abc"), TypeError, "classes to be a sequence of strings, got 'abc'"),
        ((IMAGES, [0, 0, 0], [1, 2]), TypeError, "classes to be a sequence of strings"),
        ((IMAGES, [0, 0, 0], ["a", "a"]), ValueError, "different names in classes, got 'a' twice"),
        ((IMAGES, [0, 0, 0], ["a"], "name", "train"), TypeError, "train to be True or False, got 'train'"),
    ],
)
def test_what_does_not_go_together_is_refused(arguments, error, message):
    with pytest.raises(error, match=f"Dataset: .*{message}"):
        Dataset(*arguments)


@pytest.mark.parametrize("index", [6, -7])
def test_index_out_of_range_is_an_index_error(dataset, index):
    with pytest.raises(IndexError, match=f"Dataset: expected index .* got {index}"):
        dataset[index]


@pytest.mark.parametrize("index", [1.0, [0, 1], "red", None, True])
def test_index_of_another_type_is_a_type_error(dataset, index):
    with pytest.raises(TypeError, match="Dataset: expected index to be an integer"):
        dataset[index]


@pytest.mark.parametrize(
    "indices, error",
    [
        ([0.0, 1.0], TypeError),
        (["red"], TypeError),
        ([[0, 1]], ValueError),
        (3, ValueError),
        ([True, False], ValueError),
        ([6], IndexError),
    ],
)
def test_subset_of_other_indices_is_refused(dataset, indices, error):
    with pytest.raises(error):
        dataset.subset(indices)
