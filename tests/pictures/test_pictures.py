"""Pictures in the form of the sets of digits: what is the figure, where it goes, what is left alone."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from PIL import Image, ImageDraw

from convlet import datasets
from convlet.pictures import as_text, crop, figure_of, prepare

BLACK, WHITE = (0, 0, 0), (255, 255, 255)
# Ink and paper, of which the last two pairs have the same luminance.
PAIRS = [
    (BLACK, WHITE),
    (WHITE, BLACK),
    ((90, 90, 90), (160, 160, 160)),
    ((255, 255, 0), (0, 0, 255)),
    ((200, 0, 0), (0, 102, 0)),
    ((0, 120, 0), (120, 40, 94)),
]


def drawing(ink=BLACK, paper=WHITE, size=(90, 120), box=(30, 20, 50, 70)):
    """An L of strokes 8 pixels wide in the box (left, top, right, bottom); size is (H, W)."""
    picture = Image.new("RGB", size[::-1], paper)
    left, top, right, bottom = box
    pen = ImageDraw.Draw(picture)
    pen.rectangle((left, top, left + 7, bottom - 1), fill=ink)
    pen.rectangle((left, bottom - 8, right - 1, bottom - 1), fill=ink)
    return np.asarray(picture).transpose(2, 0, 1)


def middle(image):
    """The centre of mass, in pixels from the middle."""
    mass = image[0].astype(float)
    rows, columns = np.indices(mass.shape)
    return np.array([(mass * rows).sum(), (mass * columns).sum()]) / mass.sum() - (len(mass) - 1) / 2


def box_of(image):
    rows, columns = (np.flatnonzero((image[0] > 64).any(axis=axis)) for axis in (1, 0))
    return np.ptp(rows) + 1, np.ptp(columns) + 1


def test_a_digit_fits_a_box_of_20_with_its_centre_of_mass_in_the_middle():
    image = prepare(drawing())
    assert image.shape == (1, 28, 28)
    assert image.dtype == np.uint8
    assert box_of(image) == (20, 8)
    assert np.all(np.abs(middle(image)) <= 0.5)
    assert image[0, 0].max() == 0
    assert image.max() == 255


def test_other_sizes_have_a_box_in_proportion():
    assert box_of(prepare(drawing(), 56)) == (40, 16)
    assert prepare(drawing(), 14).shape == (1, 14, 14)


@pytest.mark.parametrize("ink, paper", PAIRS)
def test_colours_and_polarity_make_no_difference(ink, paper):
    expected = prepare(drawing())
    np.testing.assert_allclose(prepare(drawing(ink, paper)).astype(int), expected.astype(int), atol=2)


@pytest.mark.parametrize("box", [(0, 0, 20, 50), (100, 40, 120, 90), (30, 20, 50, 70)])
def test_it_makes_no_difference_where_on_the_paper_the_digit_is(box):
    np.testing.assert_array_equal(prepare(drawing(box=box)), prepare(drawing()))


def test_a_very_large_picture_takes_little_memory():
    large = np.kron(drawing()[:1], np.ones((1, 60, 60), np.uint8))
    tracemalloc.start()
    image = prepare(large)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_allclose(image.astype(int), prepare(drawing()).astype(int), atol=40)
    assert peak < 3 * large.nbytes + 150e6  # the picture in three colours, and what is made of 1600 pixels


def test_uneven_light_and_noise_make_little_difference(rng):
    lit = drawing() * 0.7 + 60 * np.linspace(0, 1, 120)
    noisy = (lit + rng.normal(0, 6, lit.shape)).clip(0, 255).astype(np.uint8)
    assert np.abs(prepare(noisy).astype(int) - prepare(drawing())).mean() < 6


@pytest.mark.parametrize("side", [2, 4, 16])
def test_thin_strokes_are_thickened_and_thick_ones_left_alone(side):
    picture = Image.new("L", (100, 200), 255)
    ImageDraw.Draw(picture).ellipse((10, 10, 89, 189), outline=0, width=side)
    image = prepare(picture)
    stroke = image[0, 14, :14].astype(float).sum() / 255  # through the left half of the ring
    assert stroke == pytest.approx(max(0.13, side / 180) * 20, abs=0.6)


def test_a_uniform_stroke_does_not_fill_the_field():
    image = prepare(drawing(box=(30, 20, 38, 80)))  # a one
    assert box_of(image) == (20, 3)


def test_images_of_the_data_set_come_back_as_they_are():
    for image in datasets.Digits(size=200).images:
        np.testing.assert_array_equal(prepare(image), image)


def test_inverted_images_of_the_data_set_do_not():
    image = datasets.Digits(size=1).images[0]
    again = prepare(255 - image)
    assert box_of(again)[0] == 20
    assert again[0, 0, 0] == 0


def test_the_figure_may_be_said_to_be_dark_or_light():
    both = drawing(paper=(128, 128, 128)).copy()
    both[:, 20:70, 80:110] = 255  # what is light outweighs what is dark
    light, dark = figure_of(both), figure_of(both, "dark")
    assert (light[50, 33], light[50, 90], light[5, 5]) == (0, 1, 0)
    assert (dark[50, 33], dark[50, 90], dark[5, 5]) == (1, 0, 0)
    with pytest.raises(ValueError, match="a light figure on a background, got a uniform one"):
        prepare(drawing(), figure="light")
    np.testing.assert_array_equal(prepare(drawing(), figure="dark"), prepare(drawing()))
    np.testing.assert_array_equal(prepare(drawing(WHITE, BLACK), figure="light"), prepare(drawing()))


def test_all_forms_of_a_picture_are_one(tmp_path):
    pixels = drawing()
    expected = prepare(pixels)
    picture = Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    picture.save(tmp_path / "a.png")
    forms = [picture, picture.convert("L"), pixels[0], pixels[:1], pixels.transpose(1, 2, 0)]
    for form in (*forms, tmp_path / "a.png", str(tmp_path / "a.png")):
        np.testing.assert_array_equal(prepare(form), expected)


@pytest.mark.parametrize("level", [0, 128, 255])
@pytest.mark.parametrize("size", [(1, 1), (28, 28), (300, 200)])
def test_a_uniform_picture_is_refused(level, size):
    with pytest.raises(ValueError, match="expected a picture of a figure on a background, got a uniform one"):
        prepare(np.full(size, level, np.uint8))


def test_noise_alone_is_refused(rng):
    noise = rng.normal(128, 10, (100, 100)).clip(0, 255).astype(np.uint8)
    with pytest.raises(ValueError, match="got a uniform one"):
        prepare(noise)


def test_a_bad_file_is_named(tmp_path):
    Image.new("L", (50, 50), 9).save(tmp_path / "blank.png")
    with pytest.raises(ValueError, match=r"blank\.png: expected a picture of a figure"):
        prepare(tmp_path / "blank.png")
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(ValueError, match=r"text\.png: expected a picture of PNG"):
        prepare(tmp_path / "text.png")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        prepare(tmp_path / "nowhere.png")


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ((np.zeros((9, 9)),), TypeError, "an image of dtype uint8, got float64"),
        ((np.zeros((2, 9, 9), np.uint8),), ValueError, r"an image .* got shape \(2, 9, 9\)"),
        ((np.zeros((0, 9), np.uint8),), ValueError, r"an image .* got shape \(0, 9\)"),
        ((np.zeros(9, np.uint8),), ValueError, r"an image .* got shape \(9,\)"),
        ((None,), TypeError, "real numbers for image, got NoneType"),
        ((drawing(), 7), ValueError, "size of at least 8, got 7"),
        ((drawing(), 28.0), TypeError, "size to be an integer"),
        ((drawing(), 28, "red"), ValueError, "figure to be one of either, dark, light, got 'red'"),
    ],
)
def test_wrong_arguments_are_refused(arguments, error, message):
    with pytest.raises(error, match=f"expected {message}"):
        prepare(*arguments)


def test_the_middle_of_a_picture_keeps_its_proportions():
    wide = np.zeros((3, 20, 60), np.uint8)
    wide[:, :, 15:45] = 200
    np.testing.assert_array_equal(crop(wide, (10, 10)), np.full((3, 10, 10), 200))
    assert crop(wide, (10, 15)).shape == (3, 10, 15)
    assert crop(wide.transpose(0, 2, 1), (30, 10)).shape == (3, 30, 10)


def test_an_image_as_text_has_a_block_for_each_shade():
    image = np.array([[[0, 60, 120], [170, 255, 50]]], np.uint8)
    assert as_text(image) == "  ░░▒▒\n▓▓██  "
